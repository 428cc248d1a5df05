"""The CloudFormation role is sound, asks for the external id, and has the rights that iam-policy prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ingest.aws.policy import policy, trust

TEMPLATE = Path(__file__).parents[3] / "deploy" / "aws" / "role.template.json"


def filled(value: Any) -> Any:
    """The template's functions as they come out in the partition aws."""
    if isinstance(value, dict):
        if set(value) == {"Fn::Sub"}:
            return value["Fn::Sub"].replace("${AWS::Partition}", "aws")
        if set(value) == {"Ref"}:
            return f"<{value['Ref']}>"
        return {key: filled(inner) for key, inner in value.items()}
    return [filled(inner) for inner in value] if isinstance(value, list) else value


def test_the_role_has_the_rights_that_are_needed() -> None:
    role = filled(json.loads(TEMPLATE.read_text())["Resources"]["Reader"]["Properties"])
    assert role["Policies"][0]["PolicyDocument"] == policy(("inventory", "changes", "metrics", "traces"))
    assert role["AssumeRolePolicyDocument"] == trust("<Hub>", "<ExternalId>")


def test_cfn_lint_finds_no_error_and_no_warning() -> None:
    from cfnlint.api import lint_all

    found = lint_all(TEMPLATE.read_text())
    assert [str(one) for one in found if one.rule.id[0] in "EW"] == []  # I: matters of taste
