"""Terraform with Amazon's provider, and nothing else, plans what deploy/aws/terraform and the printed patches say.

It runs where `terraform` is on the PATH and hashicorp/aws lies unpacked below `TF_PLUGIN_DIR`, Terraform's own
`TF_PLUGIN_CACHE_DIR`, or one of the folders in which Terraform looks by itself. No account is asked: the provider is
mocked, so that it checks what is written and makes nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dashboard.data_whatif import Per, Proposed
from dashboard.inventoried import inventory_of
from dashboard.limit_patch import patches
from detect.logformat import recommended
from gatewatch.patches import patch
from gatewatch.records import ApiType
from ingest.stagelogs import StageLog

MODULE = Path(__file__).parents[3] / "deploy" / "aws" / "terraform"
IMPLIED = ("~/.terraform.d/plugins", "~/.local/share/terraform/plugins", "/usr/local/share/terraform/plugins")
PROVIDER = "registry.terraform.io/hashicorp/aws"

STAGES = """
resource "aws_api_gateway_stage" "stage" {
  rest_api_id   = "a1b2c3d4e5"
  deployment_id = "d1"
  stage_name    = "prod"
}
resource "aws_apigatewayv2_stage" "stage" {
  api_id = "h1h2h3h4h5"
  name   = "prod"
}
"""
"""What somebody has, which the patches of doctor are merged into."""

ACL = """
resource "aws_wafv2_web_acl" "acl" {
  name  = "acl"
  scope = "REGIONAL"
  default_action {
    allow {}
  }
  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = "acl"
    sampled_requests_enabled   = true
  }
  RULE
}
"""

RUNS = """
mock_provider "aws" {}

run "reads_alone" {
  command = plan
  variables {
    hub         = "arn:aws:iam::123456789012:role/gatewatch"
    external_id = "gatewatch-7"
  }
  assert {
    condition     = length(aws_iam_role.reader) == 1 && length(aws_kinesis_firehose_delivery_stream.gatewatch) == 0
    error_message = "a hub makes the reader's role and nothing that pushes"
  }
}

run "pushes_alone" {
  command = plan
  variables {
    endpoint   = "https://gatewatch.example"
    access_key = "k"
  }
  assert {
    condition     = length(aws_iam_role.reader) == 0 && length(aws_cloudwatch_event_target.gatewatch) == 1
    error_message = "an endpoint makes what pushes and no role for a reader"
  }
  assert {
    condition = endswith(
      aws_kinesis_firehose_delivery_stream.gatewatch[0].http_endpoint_configuration[0].url, "e/ingest/firehose"
    )
    error_message = "logs are sent elsewhere"
  }
  assert {
    condition     = aws_api_gateway_stage.stage.access_log_settings[0].format == local.formats.rest
    error_message = "doctor's patch of a REST stage gives another format"
  }
  assert {
    condition     = tolist(aws_apigatewayv2_stage.stage.access_log_settings)[0].format == local.formats.http
    error_message = "doctor's patch of an HTTP stage gives another format"
  }
}
"""


def _provider() -> Path:
    """The folder of the provider's newest version; skips, and says why, where there is none."""
    if shutil.which("terraform") is None:
        pytest.skip("deploy/aws/terraform NOT VALIDATED: terraform is not on the PATH")
    told = [os.environ[name] for name in ("TF_PLUGIN_DIR", "TF_PLUGIN_CACHE_DIR") if os.environ.get(name)]
    for folder in (*told, *IMPLIED):
        found = (Path(folder).expanduser() / PROVIDER).glob("*/*/terraform-provider-aws_*")
        if versions := sorted(found, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parts[-3])]):
            return versions[-1].parent
    pytest.skip(f"deploy/aws/terraform NOT VALIDATED: no {PROVIDER} below TF_PLUGIN_DIR ({told or 'not set'})")


def _stage(kind: ApiType) -> StageLog:
    return StageLog("123456789012", "eu-west-1", "a1b2c3d4e5", "orders", kind, "prod", None, "")


def _limits() -> str:
    """The patches of the page Limits, each of another resource."""
    http = inventory_of({"httpApis": [{"ApiId": "h1h2h3h4h5", "Name": "pets"}]}).apis["h1h2h3h4h5"]
    texts = []
    for per, doc in ((Per.STAGE, None), (Per.STAGE, http), (Per.CALLER, None), (Per.ADDRESS, None)):
        told = patches(Proposed(doc.id if doc else "a1b2c3d4e5", "prod", per, 100, 300), doc, None)
        assert not isinstance(told, str)
        (text,) = [text for form, text in told if form.startswith("Terraform")]
        texts.append(ACL.replace("RULE", text.replace("\n", "\n  ")) if text.startswith("rule {") else text + "\n")
    return "\n".join(texts)


def test_terraform_plans_the_module_and_the_patches(tmp_path: Path) -> None:
    override = {"hashicorp/aws": str(_provider())}
    (tmp_path / "cli.json").write_text(json.dumps({"provider_installation": [{"dev_overrides": [override]}]}))
    shutil.copy(MODULE / "main.tf.json", tmp_path)
    (tmp_path / "stages.tf").write_text(STAGES.lstrip())
    forms = [patch("terraform", _stage(kind), recommended(kind)) for kind in (ApiType.REST, ApiType.HTTP)]
    (tmp_path / "stages_override.tf").write_text("\n".join((*forms, "")))
    (tmp_path / "limits.tf").write_text(_limits().lstrip())
    (tmp_path / "all.tftest.hcl").write_text(RUNS)
    environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(tmp_path / "cli.json"), "CHECKPOINT_DISABLE": "1"}
    for words in (["fmt", "-check", "-diff", "stages_override.tf", "limits.tf"], ["test", "-no-color"]):
        done = subprocess.run(
            ["terraform", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
