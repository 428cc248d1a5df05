"""How a log group is named to CloudWatch Logs: one of our own account by name, one of another account by ARN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def named(clients: Callable[[str], Any], group: str) -> dict[str, str]:
    """The arguments that name it. An ARN costs a call to STS, which is free.

    An ARN of our own account would be understood by AWS, too, but by none of its doubles.
    """
    if not group.startswith("arn:"):
        return {"logGroupName": group}
    name = group.removesuffix(":*").partition(":log-group:")[2]
    ours = str(clients("sts").get_caller_identity()["Account"])
    return {"logGroupName": name} if group.split(":")[4] == ours else {"logGroupIdentifier": group.removesuffix(":*")}
