"""What made a change: the console, infrastructure as code, a command line, a program; by its user agent and actor."""

from __future__ import annotations

_SIGNS: tuple[tuple[str, str], ...] = (
    ("cloudformation.amazonaws.com", "CloudFormation"),
    ("terraform", "Terraform"),
    ("opentofu", "OpenTofu"),
    ("pulumi", "Pulumi"),
    ("aws-cdk", "CDK"),
    ("serverless", "Serverless Framework"),
    ("console.amazonaws.com", "console"),
    ("signin.amazonaws.com", "console"),
    ("aws-internal", "console"),
    ("aws internal", "console"),
    ("mozilla/", "console"),
    ("aws-cli", "AWS CLI"),
    ("ansible", "Ansible"),
    ("boto3", "program (boto3)"),
    ("botocore", "program (boto3)"),
    ("aws-sdk", "program (SDK)"),
)


def tool_of(user_agent: str | None, actor: str = "") -> str:
    """Its name; what is not known by name is `AWS service` or `unknown`.

    >>> tool_of("APN/1.0 HashiCorp/1.0 Terraform/1.9 aws-sdk-go-v2/1.30")
    'Terraform'
    """
    text = f"{user_agent or ''} {actor}".lower()
    found = next((name for sign, name in _SIGNS if sign in text), None)
    if found is not None:
        return found
    return "AWS service" if ".amazonaws.com" in text else "unknown"
