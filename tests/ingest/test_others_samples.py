"""Lines that others published, where a copy lies beside the repository; elsewhere nothing is collected."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ingest.formats.infer import infer
from tests.ingest.lines import read_lines

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "datasets" / "samples"

API_GATEWAY = ["aws-centralized-logging/microbatch/apigateway1.gz"]
LOAD_BALANCERS = [
    "aws-centralized-logging/microbatch/alb.log.gz",
    "coralogix-shipper/elb.log.gz",
    "crowdsec-hub/aws-alb-http-bad-user-agent/aws-alb-http-bad-user-agent.log",
    "opensearch-catalog/amazon_elb/data/raw.log",
]
WEB_SERVERS = [
    "crowdsec-hub/apache-http-probing/apache-http-probing.log",
    "crowdsec-hub/nginx-bad-user-agent/nginx-bad-user-agent.log",
    "crowdsec-hub/nginx-http-sqli-probing/nginx-http-sqli-probing.log",
    "crowdsec-hub/traefik_clf/traefik_clf.log",
    "elastic-beats/nginx/access/test/test.log",
    "elastic-beats/traefik/access/test/test.log",
    "elastic-examples/apache_logs-first-3000.log.gz",
    "lnav/logfile_access_log.0",
]


def there(names: list[str]) -> list[str]:
    return [name for name in names if (SAMPLES / name).is_file()]


def lines(name: str) -> list[str]:
    data = (SAMPLES / name).read_bytes()
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return [line for line in text.decode("utf-8", "replace").split("\n") if line.strip()]


if there(API_GATEWAY + LOAD_BALANCERS + WEB_SERVERS):

    @pytest.mark.parametrize("name", there(API_GATEWAY + LOAD_BALANCERS + WEB_SERVERS))
    def test_every_line_of_others_is_understood(name: str) -> None:
        formats = infer(lines(name)[:400])
        reasons = [read.reason for line in lines(name) for read in read_lines(formats, line)]
        assert set(reasons) == {None}

    @pytest.mark.parametrize("name", there(API_GATEWAY))
    def test_an_api_gateway_line_of_others_gives_what_detectors_need(name: str) -> None:
        (found,) = infer(lines(name))
        assert {
            "requestTimeEpoch",
            "apiId",
            "stage",
            "resourcePath",
            "status",
            "error.responseType",
            "responseLatency",
            "integration.latency",
            "integration.status",
            "authorizer.status",
            "identity.sourceIp",
            "identity.apiKeyId",
            "wafResponseCode",
            "extendedRequestId",
        } <= set(found.fields)
