"""A proposed limit as what sets it: the AWS command, and Terraform."""

from __future__ import annotations

import json
import re
import shlex

from dashboard.data_whatif import Per, Proposed
from dashboard.inventoried import ApiDoc, PlanDoc

NO_CALLER_LIMIT = "HTTP and WebSocket APIs have no limit for each caller: only their stage and routes have one."
NO_WAF = "WAF stands before REST APIs only; before others, put CloudFront with a web ACL."


def patches(proposed: Proposed, doc: ApiDoc | None, plan: PlanDoc | None) -> list[tuple[str, str]] | str:
    """(form, text); or why there is none."""
    rest = doc is None or doc.api_type == "rest"
    if proposed.per is Per.ADDRESS:
        return _waf(proposed) if rest else NO_WAF
    if proposed.per is Per.CALLER:
        return _plan(proposed, plan) if rest else NO_CALLER_LIMIT
    path = "*/*"
    return _rest(proposed, path) if rest else _second(proposed)


def _value(number: float) -> str:
    return f"{number:g}"


def _word(text: str) -> str:
    """For a resource's name in Terraform."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text)[:60] or "this"


def _text(text: str | None) -> str:
    """A string of Terraform; nothing in it is a template."""
    return json.dumps(text or "").replace("${", "$${").replace("%{", "%%{")


def _rest(one: Proposed, path: str) -> list[tuple[str, str]]:
    operations = " ".join(
        f"op=replace,path=/{path}/throttling/{name},value={value}"
        for name, value in (("rateLimit", _value(one.rate)), ("burstLimit", str(one.burst)))
    )
    command = (
        f"aws apigateway update-stage --rest-api-id {shlex.quote(one.api)} --stage-name {shlex.quote(one.stage or '')} "
        f"--patch-operations {shlex.quote(operations.split(' ')[0])} {shlex.quote(operations.split(' ')[1])}"
    )
    terraform = f"""resource "aws_api_gateway_method_settings" "{_word(one.api)}" {{
  rest_api_id = {_text(one.api)}
  stage_name  = {_text(one.stage)}
  method_path = "*/*"
  settings {{
    throttling_rate_limit  = {_value(one.rate)}
    throttling_burst_limit = {one.burst}
  }}
}}"""
    return [("AWS CLI", command), ("Terraform", terraform)]


def _second(one: Proposed) -> list[tuple[str, str]]:
    command = (
        f"aws apigatewayv2 update-stage --api-id {shlex.quote(one.api)} --stage-name {shlex.quote(one.stage or '')} "
        f"--default-route-settings ThrottlingRateLimit={_value(one.rate)},ThrottlingBurstLimit={one.burst}"
    )
    terraform = f"""resource "aws_apigatewayv2_stage" "{_word(one.api)}" {{
  api_id = {_text(one.api)}
  name   = {_text(one.stage)}
  default_route_settings {{
    throttling_rate_limit  = {_value(one.rate)}
    throttling_burst_limit = {one.burst}
  }}
}}"""
    return [("AWS CLI", command), ("Terraform", terraform)]


def _plan(one: Proposed, plan: PlanDoc | None) -> list[tuple[str, str]]:
    ident = plan.id if plan else "USAGE_PLAN_ID"
    command = (
        f"aws apigateway update-usage-plan --usage-plan-id {shlex.quote(ident)} --patch-operations "
        f"op=replace,path=/throttle/rateLimit,value={_value(one.rate)} "
        f"op=replace,path=/throttle/burstLimit,value={one.burst}"
    )
    terraform = f"""resource "aws_api_gateway_usage_plan" "{_word(plan.name if plan else "this")}" {{
  name = {_text(plan.name if plan else "NAME")}
  api_stages {{
    api_id = {_text(one.api)}
    stage  = {_text(one.stage)}
  }}
  throttle_settings {{
    rate_limit  = {_value(one.rate)}
    burst_limit = {one.burst}
  }}
}}"""
    return [("AWS CLI", command), ("Terraform", terraform)]


def _waf(one: Proposed) -> list[tuple[str, str]]:
    terraform = f"""rule {{
  name     = "rate-by-address"
  priority = 10
  action {{
    count {{}}
  }}
  statement {{
    rate_based_statement {{
      limit                 = {int(one.rate)}
      aggregate_key_type    = "IP"
      evaluation_window_sec = {one.burst}
    }}
  }}
  visibility_config {{
    cloudwatch_metrics_enabled = true
    metric_name                = "rate-by-address"
    sampled_requests_enabled   = true
  }}
}}"""
    return [("Terraform, a rule of aws_wafv2_web_acl that counts first", terraform)]
