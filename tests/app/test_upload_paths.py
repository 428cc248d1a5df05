"""The id of an upload becomes a file's name: nothing but an id of ours does."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gatewatch.settings import Settings
from gatewatch.store.state import State
from tests.people import csrf, log_in

HEX = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    "upload",
    [f"../{HEX}", f"../lake/{HEX}.parquet", f"{HEX}/../../state.db", f"{HEX}.parquet", f"{HEX}\n", f"x{HEX}", "{abs}"],
)
def test_no_id_leads_to_another_file(
    client: TestClient, settings: Settings, state: State, tmp_path: Path, upload: str
) -> None:
    victims = [tmp_path / HEX, settings.data_dir / HEX, settings.data_dir / "lake" / f"{HEX}.parquet"]
    for victim in victims:
        victim.parent.mkdir(parents=True, exist_ok=True)
        victim.write_bytes(b"whole")
    log_in(client, "otto")
    data = base64.b64encode(b"evil").decode()
    for last in (False, True):
        body = {"upload": upload.replace("{abs}", str(victims[0])), "data": data, "last": last}
        answer = client.post("/api/v1/uploads", json=body, headers=csrf(client))
        assert answer.status_code == 422, answer.text
    assert [victim.read_bytes() for victim in victims] == [b"whole"] * len(victims)


@pytest.mark.parametrize("data", ["\u00bc", "a", "====", "\x00", "YQ==\u2028"])
def test_what_is_not_base64_is_said(client: TestClient, state: State, data: str) -> None:
    log_in(client, "otto")
    answer = client.post("/api/v1/uploads", json={"data": data}, headers=csrf(client))
    assert (answer.status_code, "base64" in answer.text) == (422, True)
