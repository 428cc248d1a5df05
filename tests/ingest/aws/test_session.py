"""Sessions over real HTTP: credentials, roles with an external id, one hook for pace and price, plain errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gatewatch.errors import SourceError
from ingest.aws.pace import Pace
from ingest.aws.prices import NANO
from ingest.aws.session import Aws, Connection
from ingest.aws.spending import Budget, CapReached, InMemory, Till, on_behalf_of
from tests.awsdouble import Answer, Call, Double
from tests.ingest.aws.conftest import REGION

ROLE = "arn:aws:iam::210987654321:role/gatewatch-reader"
NOW = datetime(2026, 6, 9, 12, 0, tzinfo=UTC)


class Opened:
    """A connection whose clock stands unless it sleeps."""

    def __init__(self, double: Double, budget: Budget | None = None, **given: Any) -> None:
        self.ledger = InMemory()
        self.time = 0.0
        self.sent: list[float] = []
        pace = Pace({"monitoring": 2.0}, clock=lambda: self.time, sleep=self._sleep)
        till = Till(self.ledger, budget or Budget(1.0, 5.0, 1000), now=lambda: NOW)
        self.aws = Aws(Connection("main", (REGION,), endpoint_url=double.url, **given), till, pace)

    def _sleep(self, seconds: float) -> None:
        self.time += seconds


def metrics(n: int, *stats: str) -> list[dict[str, Any]]:
    return [
        {
            "Id": f"m{i}{stat.lower().replace('.', '_')}",
            "MetricStat": {
                "Metric": {"Namespace": "AWS/ApiGateway", "MetricName": f"Count{i}", "Dimensions": []},
                "Period": 60,
                "Stat": stat,
            },
        }
        for i in range(n)
        for stat in stats
    ]


def get_metrics(opened: Opened, queries: list[dict[str, Any]]) -> None:
    with on_behalf_of("metrics"), opened.aws.asking("cloudwatch", REGION) as client:
        client.get_metric_data(MetricDataQueries=queries, StartTime=NOW, EndTime=NOW.replace(hour=13))


def test_every_call_is_in_the_ledger_at_list_price(double: Double) -> None:
    opened = Opened(double)
    assert opened.aws.account == "123456789012"
    get_metrics(opened, metrics(7, "Sum", "Average"))
    with on_behalf_of("traces"), opened.aws.asking("xray", REGION) as client:
        client.batch_get_traces(TraceIds=["1-5759e988-bd862e3fe1be46a994272793"] * 3)
    told = {(one.source, one.operation): (one.calls, one.nanos) for one in opened.ledger.spends}
    assert told == {
        ("other", "GetCallerIdentity"): (1, 0),
        ("metrics", "GetMetricData"): (1, 7 * NANO // 100_000),  # two statistics of a metric are one
        ("traces", "BatchGetTraces"): (1, 3 * NANO // 2_000_000),
    }
    assert len(double.calls) == 3


def test_scanned_traces_are_paid_by_what_the_answer_says(double: Double) -> None:
    double.answers.append(lambda call: (200, {"TraceSummaries": [], "TracesProcessedCount": 4000}))
    opened = Opened(double)
    with on_behalf_of("traces"), opened.aws.asking("xray", REGION) as client:
        client.get_trace_summaries(StartTime=NOW, EndTime=NOW)
    assert opened.ledger.total(NOW.date()) == (1, 2_000_000)  # 4,000 x $0.5 / 1,000,000


def test_no_call_goes_out_when_it_would_pass_the_hard_cap(double: Double) -> None:
    opened = Opened(double, Budget(1.0, 0.00025, 1000))
    get_metrics(opened, metrics(20, "Sum"))
    with pytest.raises(CapReached, match="hard cap is"):
        get_metrics(opened, metrics(20, "Sum"))
    assert double.names("monitoring") == ["GetMetricData"]
    get_metrics(opened, metrics(5, "Sum"))  # what still fits still goes


def test_a_cap_of_calls_holds_for_retries_too(double: Double) -> None:
    double.refuse("monitoring", "GetMetricData", 500, "InternalFailure")
    opened = Opened(double, Budget(1.0, 5.0, 2))
    with pytest.raises(CapReached, match="2 AWS calls today"):
        get_metrics(opened, metrics(1, "Sum"))
    assert len(double.calls) == 2


def test_sources_pause_one_by_one_between_the_caps(double: Double) -> None:
    opened = Opened(double, Budget(0.0001, 0.0004, 1000, ("traces", "metrics", "logs")))
    get_metrics(opened, metrics(12, "Sum"))
    with (
        pytest.raises(CapReached, match="traces: paused"),
        on_behalf_of("traces"),
        opened.aws.asking("xray", REGION) as client,
    ):
        client.get_trace_summaries(StartTime=NOW, EndTime=NOW)
    get_metrics(opened, metrics(9, "Sum"))
    with pytest.raises(CapReached, match="metrics: paused"):
        get_metrics(opened, metrics(1, "Sum"))


def test_a_hard_cap_of_either_kind_pauses_all() -> None:
    budget = Budget(1.0, 5.0, 100)
    assert budget.paused(0, 99) == ()
    assert budget.paused(0, 100) == budget.paused(5 * NANO, 0) == budget.order


def test_calls_of_one_service_keep_their_distance(double: Double) -> None:
    opened = Opened(double)
    for _ in range(3):
        with opened.aws.asking("cloudtrail", REGION) as client:
            client.describe_trails()
    assert opened.time == pytest.approx(2.0)  # one a second: the first at once
    with opened.aws.asking("cloudtrail", "us-east-1") as client:
        client.describe_trails()
    assert opened.time == pytest.approx(2.0)


def test_throttled_calls_are_tried_again(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    left = [3]

    def answer(call: Call) -> Answer | None:
        left[0] -= 1
        return (400, {"__type": "ThrottlingException", "message": "Rate exceeded"}) if left[0] >= 0 else None

    double.answers.append(answer)
    opened = Opened(double)
    with opened.aws.asking("cloudtrail", REGION) as client:
        assert client.describe_trails()["trailList"] == []
    assert opened.ledger.total(NOW.date())[0] == len(double.calls) == 4


def _needs_id(expected: str) -> Any:
    def answer(call: Call) -> Answer | None:
        if call.name != "AssumeRole" or call.body.get("ExternalId") == expected:
            return None
        return 403, {"__type": "AccessDenied", "message": "not authorized to perform: sts:AssumeRole"}

    return answer


def test_a_role_is_assumed_with_its_external_id(double: Double) -> None:
    double.answers.append(_needs_id("gw-1"))
    opened = Opened(double, role_arn=ROLE, external_id="gw-1")
    assert opened.aws.account == "210987654321"
    sent = [call.body for call in double.calls if call.name == "AssumeRole"]
    assert [body.get("ExternalId") for body in sent] == [None, "gw-1"]
    with opened.aws.asking("cloudtrail", "us-east-1") as client:
        client.describe_trails()
    assert len([call for call in double.calls if call.name == "AssumeRole"]) == 2  # one session for all regions


def test_a_role_that_asks_for_no_external_id_is_refused(double: Double) -> None:
    opened = Opened(double, role_arn=ROLE, external_id="gw-1")  # moto lets everybody in
    with pytest.raises(SourceError, match="can be assumed without the external id; add the condition"):
        _ = opened.aws.account
    assert [call.name for call in double.calls] == ["AssumeRole"]


def test_a_role_that_knows_another_external_id_is_one_line(double: Double) -> None:
    double.answers.append(_needs_id("gw-2"))
    with pytest.raises(SourceError, match="AssumeRole is denied"):
        _ = Opened(double, role_arn=ROLE, external_id="gw-1").aws.account


@pytest.mark.parametrize(
    ("status", "code", "said", "expected"),
    [
        (403, "AccessDeniedException", "not authorized to perform: x:Y on resource", "gatewatch iam-policy"),
        (403, "UnrecognizedClientException", "The security token is invalid", "region is enabled"),
        (400, "InvalidSignatureException", "Signature expired: 20260609T is now earlier", "clock is wrong"),
        (403, "SignatureDoesNotMatch", "The request signature we calculated does not match", "secret key"),
        (400, "ExpiredTokenException", "The security token included is expired", "aws sso login"),
        (
            404,
            "NotFoundException",
            "Invalid stage identifier specified",
            r"not there \(any more\).*check its name, the",
        ),
        (400, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist", "check its name, the"),
        (403, "RequestTimeTooSkewed", "The difference between the request time and ours is too large", "set it by NTP"),
        (403, "SignatureDoesNotMatch", "Signature not yet current: 20260609T is later", "set it by NTP"),
        (400, "AuthorizationHeaderMalformed", "the region is wrong; expecting 'eu-west-1'", "in another region"),
        (400, "CloudTrailAccessNotEnabledException", "no access", "turn it on, or leave this source out"),
        (400, "NoAvailableConfigurationRecorderException", "no recorder", "turn on its recorder"),
    ],
)
def test_what_aws_refuses_is_one_line_with_the_fix(
    double: Double, status: int, code: str, said: str, expected: str
) -> None:
    double.refuse("cloudtrail", "", status, code, said)
    with (
        pytest.raises(SourceError, match=expected) as caught,
        Opened(double).aws.asking("cloudtrail", REGION) as client,
    ):
        client.describe_trails()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"AWS main {REGION}: DescribeTrails")


def test_an_answer_that_is_none_of_aws_is_one_line(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    double.answers.append(lambda call: (501, b"<!DOCTYPE HTML><p>Blocked<br>by your proxy"))
    with pytest.raises(SourceError, match="none of AWS; look at the proxy") as caught:
        _ = Opened(double).aws.account
    assert "\n" not in str(caught.value)


def test_no_credentials_no_profile_and_no_answer_are_one_line(
    double: Double, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    nobody = Opened(Double("http://127.0.0.1:9"))
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    with pytest.raises(SourceError, match="no answer; check the region"):
        _ = nobody.aws.account
    with pytest.raises(SourceError, match="list-profiles"):
        _ = Opened(double, profile="nowhere").aws.account
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SourceError, match="no credentials; give AWS_PROFILE"):
        _ = Opened(double).aws.account


def test_a_session_is_renewed_when_it_is_about_to_end_and_nothing_is_asked_with_the_old_one(double: Double) -> None:
    made: list[datetime] = []

    def answer(call: Call) -> Answer | None:
        if call.name != "AssumeRole":
            return None
        if "ExternalId" not in call.body:
            return 403, {"__type": "AccessDenied", "message": "not authorized to perform: sts:AssumeRole"}
        made.append(datetime.now(UTC))
        # The first ends at once, as one does whose process slept; the second lives as long as it should.
        left = timedelta(seconds=1) if len(made) == 1 else timedelta(hours=1)
        ends = (made[-1] + left).strftime("%Y-%m-%dT%H:%M:%SZ")
        return 200, (
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
            f"<AccessKeyId>ASIAEXAMPLE{len(made)}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>t</SessionToken><Expiration>{ends}</Expiration></Credentials></AssumeRoleResult>"
            "</AssumeRoleResponse>"
        ).encode()

    double.answers.append(answer)
    opened = Opened(double, role_arn=ROLE, external_id="gw-1")
    for _ in range(4):
        with opened.aws.asking("cloudtrail", REGION) as client:
            client.describe_trails()
    keys = [call.key for call in double.calls if call.name == "DescribeTrails"]
    assert len(made) == 2
    assert set(keys[1:]) == {"ASIAEXAMPLE2"}
    assert all(call.body["ExternalId"] == "gw-1" for call in double.calls[1:] if call.name == "AssumeRole")
