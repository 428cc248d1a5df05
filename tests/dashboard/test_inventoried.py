from __future__ import annotations

from dashboard.inventoried import Limit, inventory_of
from tests.dashboard.estate import document


def test_routes_with_their_authorization_and_limits_of_stage_and_method() -> None:
    shop = inventory_of(document()).apis["shop4f2k1"]
    assert [(one.route, one.auth, one.key, one.authorizer) for one in shop.routes] == [
        ("DELETE /items/{id}", "Lambda authorizer", True, "au1"),
        ("GET /items/{id}", "Lambda authorizer", True, "au1"),
    ]
    (stage,) = shop.stages
    assert stage.limit == Limit(100.0, 200)
    assert stage.limits == {"DELETE /items/{id}": Limit(1.0, 2)}
    assert (stage.waf, stage.logged, stage.cache) == (True, True, False)
    assert shop.authorizers[0].function == "shop-authorizer"
    assert shop.owner("prod") == "storefront"
    assert shop.auth == ("Lambda authorizer", "API key")


def test_the_second_kind_of_apis_has_other_words_for_the_same() -> None:
    login = inventory_of(document()).apis["login8a2"]
    assert (login.api_type, login.routes[0].route, login.routes[0].auth) == ("http", "POST /login", "JWT")
    assert login.stages[0].limit == Limit(50.0, None)
    assert login.owner() == "identity"


def test_what_was_not_read_is_not_none() -> None:
    known = inventory_of(document(account=None, unread=["account", "apiKeys"]))
    assert "resources" in known.apis["legacy9"].unread
    assert known.apis["legacy9"].deprecated
    assert not known.account.set
    assert known.unread == {"account", "apiKeys"}
    assert not inventory_of(None).known


def test_a_limit_below_zero_is_none() -> None:
    known = inventory_of(document(account={"throttleSettings": {"rateLimit": -1, "burstLimit": True}}))
    assert known.account == Limit(None, None)


def test_a_key_has_the_plan_that_names_it_or_the_only_one_whose_keys_are_not_known() -> None:
    known = inventory_of(document())
    assert known.plan_of("k1", "shop4f2k1", "prod") == known.plans[0]
    assert known.plan_of("k2", "shop4f2k1", "prod") is None
    plan = {"id": "pl9", "name": "silver", "apiStages": [{"apiId": "shop4f2k1", "stage": "prod"}]}
    unread = inventory_of(document(usagePlans=[plan]))
    assert unread.plans[0].keys is None
    assert unread.plan_of("k2", "shop4f2k1", "prod") == unread.plans[0]
    two = inventory_of(document(usagePlans=[plan, plan | {"id": "pl8"}]))
    assert two.plan_of("k2", "shop4f2k1", "prod") is None
    assert known.key_name("k1") == "partner-one"


def test_a_document_that_is_broken_says_what_it_can() -> None:
    broken = {"restApis": [{"id": "x", "resources": [{"path": "/", "resourceMethods": {"GET": None}}], "stages": "?"}]}
    api = inventory_of(broken).apis["x"]
    assert [one.auth for one in api.routes] == ["not known"]
    assert api.stages == ()
    assert inventory_of({"restApis": ["?"], "usagePlans": [{}]}).plans[0].name == ""
