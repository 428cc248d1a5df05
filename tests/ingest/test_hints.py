import pytest

from gatewatch.records import ApiType
from ingest.hints import Hint, Known, hint_of

APIS = dict.fromkeys(["abcdef0123", "orders"], Known("abcdef0123", ApiType.HTTP))


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/logs/amazon-apigateway-abcdef0123-1-2026.gz", Hint("abcdef0123", None, sure=True, api_type=ApiType.HTTP)),
        ("/logs/orders/prod/2026/11/25/00/x.gz", Hint("abcdef0123", "prod", sure=True, api_type=ApiType.HTTP)),
        ("/logs/reorders/2026/11/25/x.gz", Hint("reorders")),
        ("/logs/q1w2e3r4t5/v1/2026-11-25/x.log", Hint("q1w2e3r4t5", "v1")),
        ("/var/log/nginx/access.log", Hint("nginx")),
        ("/data/shop/date=2026-11-25/hour=07/x.log", Hint("shop")),
        ("/x.log", Hint()),
    ],
)
def test_what_a_path_tells(path: str, hint: Hint) -> None:
    assert hint_of(path, APIS) == hint
