"""The inventory document (design.md 4) of one account and region: what the describe-calls say, joined.

A field that we were not allowed to read is left out and named in `unread` of the thing that has it. Values of API keys
and secrets of clients are never asked for, or dropped where AWS sends them anyhow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gatewatch.records import JSON
from ingest.aws.problems import Denied, Gone
from ingest.aws.reading import Reader
from ingest.aws.session import Aws

_FUNCTION = re.compile(r"arn:[\w-]+:lambda:[\w-]+:\d{12}:function:[\w-]+(?::[\w$-]+)?")
_POOL = re.compile(r"(?:userpool/|cognito-idp\.[\w-]+\.amazonaws\.com(?:\.cn)?/)([\w-]+_[A-Za-z0-9]+)")
_CERTIFICATE_FIELDS = (
    "CertificateArn",
    "DomainName",
    "SubjectAlternativeNames",
    "Status",
    "Type",
    "NotBefore",
    "NotAfter",
    "RenewalEligibility",
    "RenewalSummary",
    "KeyAlgorithm",
)
_POOL_FIELDS = (
    "Id",
    "Name",
    "Arn",
    "MfaConfiguration",
    "UserPoolAddOns",
    "UserPoolTier",
    "DeletionProtection",
    "Policies",
    "AdminCreateUserConfig",
    "AccountRecoverySetting",
)
_USED_DAYS = 30
MOST_KEYS = 300
"""API keys whose plans are asked for, one call each; with more of them `keys` of the plans is unread."""

_V2 = {"MaxResults": "500"}


@dataclass(frozen=True, slots=True)
class Pulled:
    """denied: call -> what AWS said; the document's `unread` says where it is missing."""

    document: dict[str, JSON]
    denied: Mapping[str, str]


def pull_inventory(aws: Aws, region: str, now: datetime, *, keys: bool = False) -> Pulled:
    """Read it all. keys: also ids and last use of API keys, for which the default policy gives no right.

    SourceError: the APIs themselves could not be listed.
    """
    reader = Reader(aws, region)
    document: dict[str, Any] = {"accountId": aws.account, "region": region}
    rest = reader.listed("apigateway", "get_rest_apis", "items", "position", limit=500)
    document["restApis"] = [found for api in rest if (found := _rest(reader, api)) is not None]
    both = reader.listed("apigatewayv2", "get_apis", "Items", "NextToken", **_V2)
    second = [found for api in both if (found := _second(reader, api)) is not None]
    document["httpApis"] = [api for api in second if api.get("ProtocolType") != "WEBSOCKET"]
    document["webSocketApis"] = [api for api in second if api.get("ProtocolType") == "WEBSOCKET"]
    _beside(reader, document, now, keys=keys)
    _served(reader, document)
    return Pulled(document, reader.denied)


def _rest(reader: Reader, api: dict[str, Any]) -> dict[str, Any] | None:
    """A REST API with all below it; None when it was deleted meanwhile."""
    ident = api["id"]
    asked = {"restApiId": ident}
    try:
        api["resources"] = reader.listed(
            "apigateway", "get_resources", "items", "position", embed=["methods"], limit=500, **asked
        )
    except Denied as error:
        reader.refused(api, "resources", "apigateway", "get_resources", error)
    except Gone:
        return None
    reader.into(api, "stages", "apigateway", "get_stages", "item", **asked)
    for field, operation in (
        ("authorizers", "get_authorizers"),
        ("deployments", "get_deployments"),
        ("requestValidators", "get_request_validators"),
    ):
        reader.into(api, field, "apigateway", operation, "items", "position", limit=500, **asked)
    reader.into(api, "gatewayResponses", "apigateway", "get_gateway_responses", "items", "position", limit=500, **asked)
    if "gatewayResponses" in api:
        api["gatewayResponses"] = [one for one in api["gatewayResponses"] if not one.get("defaultResponse")]
    for authorizer in api.get("authorizers", ()):
        authorizer.pop("authorizerCredentials", None)
    return api


def _second(reader: Reader, api: dict[str, Any]) -> dict[str, Any] | None:
    asked = {"ApiId": api["ApiId"], **_V2}
    try:
        api["Routes"] = reader.listed("apigatewayv2", "get_routes", "Items", "NextToken", **asked)
    except Denied as error:
        reader.refused(api, "Routes", "apigatewayv2", "get_routes", error)
    except Gone:
        return None
    for field in ("Integrations", "Stages", "Authorizers", "Deployments"):
        reader.into(api, field, "apigatewayv2", f"get_{field.lower()}", "Items", "NextToken", **asked)
    return api


def _beside(reader: Reader, document: dict[str, Any], now: datetime, *, keys: bool) -> None:
    """What belongs to the account and region rather than to an API."""
    for field, operation in (
        ("usagePlans", "get_usage_plans"),
        ("vpcLinks", "get_vpc_links"),
        ("clientCertificates", "get_client_certificates"),
        ("domainNames", "get_domain_names"),
    ):
        reader.into(document, field, "apigateway", operation, "items", "position", limit=500)
    reader.into(document, "httpVpcLinks", "apigatewayv2", "get_vpc_links", "Items", "NextToken", **_V2)
    for certificate in document.get("clientCertificates", ()):
        certificate.pop("pemEncodedCertificate", None)
    for domain in document.get("domainNames", ()):
        name = domain["domainName"]
        reader.into(
            domain, "apiMappings", "apigatewayv2", "get_api_mappings", "Items", "NextToken", DomainName=name, **_V2
        )
    try:
        document["account"] = reader.one("apigateway", "get_account")
    except Denied as error:
        reader.refused(document, "account", "apigateway", "get_account", error)
    if keys:
        _keys(reader, document, now)
    else:
        document.setdefault("unread", []).append("apiKeys")


def _keys(reader: Reader, document: dict[str, Any], now: datetime) -> None:
    """API keys by id, and the last day on which each was used, by the usage of its plans."""
    reader.into(document, "apiKeys", "apigateway", "get_api_keys", "items", "position", includeValues=False, limit=500)
    used: dict[str, str] = {}
    first = now - timedelta(days=_USED_DAYS)
    for plan in document.get("usagePlans", ()):
        asked = {"startDate": f"{first:%Y-%m-%d}", "endDate": f"{now:%Y-%m-%d}", "limit": 500}
        try:
            for page in reader.pages("apigateway", "get_usage", "position", usagePlanId=plan["id"], **asked):
                for key, days in (page.get("items") or {}).items():
                    busy = [place for place, day in enumerate(days) if day and day[0]]
                    if busy:
                        last = f"{first + timedelta(days=busy[-1]):%Y-%m-%d}"
                        used[key] = max(used.get(key, ""), last)
        except Denied as error:
            reader.refused(plan, "usage", "apigateway", "get_usage", error)
        except Gone:
            continue
    for key in document.get("apiKeys", ()):
        key.pop("value", None)
        key["lastUsedDate"] = used.get(key["id"])
    _keys_of_plans(reader, document)


def _keys_of_plans(reader: Reader, document: dict[str, Any]) -> None:
    """`keys` of each plan: id and name. Asked from the keys' side, since GetUsagePlanKeys tells their values."""
    plans = {plan["id"]: plan for plan in document.get("usagePlans", ())}
    keys = document.get("apiKeys")
    if not plans:  # none, or none that we may read
        return
    if keys is None or len(keys) > MOST_KEYS:
        for plan in plans.values():
            plan.setdefault("unread", []).append("keys")
        return
    for plan in plans.values():
        plan["keys"] = []
    for key in keys:
        asked = {"keyId": key["id"], "limit": 500}
        try:
            mine = reader.listed("apigateway", "get_usage_plans", "items", "position", **asked)
        except Gone:  # the key was deleted meanwhile
            continue
        for plan in mine:
            if plan["id"] in plans:
                plans[plan["id"]]["keys"].append({"id": key["id"], "name": key.get("name")})


def _served(reader: Reader, document: dict[str, Any]) -> None:
    """What APIs rest on: certificates of domains, ACLs of stages, functions behind routes, user pools."""
    texts = list(_texts([document[name] for name in ("restApis", "httpApis", "webSocketApis")]))
    certificates = {
        text
        for domain in document.get("domainNames", ())
        for text in _texts(domain)
        if text.startswith("arn:") and ":acm:" in text
    }
    document["certificates"] = [
        {name: found[name] for name in _CERTIFICATE_FIELDS if name in found}
        for arn in sorted(certificates)
        if (found := _described(reader, document, "certificates", "acm", "describe_certificate", "Certificate", arn))
    ]
    acls = {
        str(stage["webAclArn"])
        for api in document["restApis"]
        for stage in api.get("stages", ())
        if stage.get("webAclArn")
    }
    document["webAcls"] = [{"arn": arn, "name": arn.rsplit("/", 2)[-2]} for arn in sorted(acls)]
    functions = {found for text in texts for found in _FUNCTION.findall(text)}
    document["functions"] = [_function(reader, document, arn) for arn in sorted(functions)]
    pools = {found for text in texts for found in _POOL.findall(text)}
    document["userPools"] = [found for pool in sorted(pools) if (found := _pool(reader, document, pool))]
    if "unread" in document:
        document["unread"] = sorted(set(document["unread"]))


def _described(
    reader: Reader, document: dict[str, Any], field: str, service: str, operation: str, key: str, arn: str
) -> dict[str, Any] | None:
    try:
        found = reader.one(service, operation, region=arn.split(":")[3], CertificateArn=arn)
    except Denied as error:
        reader.refused(document, field, service, operation, error)
        return None
    except Gone:
        return None
    value = found.get(key)
    return value if isinstance(value, dict) else None


def _function(reader: Reader, document: dict[str, Any], arn: str) -> dict[str, Any]:
    """A function with who may invoke it; policy None: nobody outside of its account."""
    found: dict[str, Any] = {"functionArn": arn}
    if arn.split(":")[3] != reader.region or arn.split(":")[4] != document["accountId"]:
        found["unread"] = ["policy"]
        return found
    try:
        found["policy"] = reader.one("lambda", "get_policy", FunctionName=arn).get("Policy")
    except Gone:
        found["policy"] = None
    except Denied as error:
        reader.refused(found, "policy", "lambda", "get_policy", error)
    return found


def _pool(reader: Reader, document: dict[str, Any], pool: str) -> dict[str, Any] | None:
    if not pool.startswith(f"{reader.region}_"):
        return {"Id": pool, "unread": ["*"]}
    try:
        told = reader.one("cognito-idp", "describe_user_pool", UserPoolId=pool)["UserPool"]
    except Denied as error:
        reader.refused(document, "userPools", "cognito-idp", "describe_user_pool", error)
        return {"Id": pool, "unread": ["*"]}
    except Gone:
        return None
    found = {name: told[name] for name in _POOL_FIELDS if name in told}
    try:
        clients = reader.listed(
            "cognito-idp", "list_user_pool_clients", "UserPoolClients", "NextToken", UserPoolId=pool, MaxResults=60
        )
        described = (_client(reader, pool, one["ClientId"]) for one in clients)
        found["clients"] = [one for one in described if one is not None]
    except Denied as error:
        reader.refused(found, "clients", "cognito-idp", "list_user_pool_clients", error)
    return found


def _client(reader: Reader, pool: str, ident: str) -> dict[str, Any] | None:
    """None when it was deleted meanwhile."""
    try:
        answer = reader.one("cognito-idp", "describe_user_pool_client", UserPoolId=pool, ClientId=ident)
    except Gone:
        return None
    secret = {"ClientSecret", "LastModifiedDate", "CreationDate"}
    return {name: value for name, value in answer["UserPoolClient"].items() if name not in secret}


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
