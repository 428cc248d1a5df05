"""What differs between two inventories: things by their ids, and what could not be read differs from nothing."""

from __future__ import annotations

from typing import Any

from gatewatch.inventory_diff import differences


def an_inventory(**api: Any) -> dict[str, Any]:
    return {"restApis": [{"id": "a1b2c3d4e5", "name": "orders", **api}]}


def test_things_of_a_list_are_known_by_their_ids() -> None:
    old = an_inventory(stages=[{"stageName": "dev"}, {"stageName": "prod", "tracingEnabled": True}])
    new = an_inventory(stages=[{"stageName": "prod", "tracingEnabled": False}, {"stageName": "test"}])
    assert list(differences(old, new)) == [
        '/restApis/a1b2c3d4e5/stages/dev: {"stageName": "dev"} -> (none)',
        "/restApis/a1b2c3d4e5/stages/prod/tracingEnabled: true -> false",
        '/restApis/a1b2c3d4e5/stages/test: (none) -> {"stageName": "test"}',
    ]


def test_mappings_of_one_api_do_not_hide_each_other() -> None:
    def domain(*paths: str) -> dict[str, Any]:
        mappings = [{"ApiId": "a1", "ApiMappingId": f"m{path}", "ApiMappingKey": path} for path in paths]
        return {"domainNames": [{"domainName": "api.example.com", "apiMappings": mappings}]}

    (line,) = differences(domain("v1", "v2"), domain("v1"))
    assert line.startswith("/domainNames/api.example.com/apiMappings/mv2: ")
    for side in (0, 1):  # and without an id that tells them apart the list is one thing
        both = [domain("v1", "v2"), domain("v2")]
        for one in both:
            for mapping in one["domainNames"][0]["apiMappings"]:
                del mapping["ApiMappingId"]
        assert len(list(differences(both[side], both[1 - side]))) == 1


def test_what_could_not_be_read_is_said_to_be_so() -> None:
    known = an_inventory(authorizers=[{"id": "z9"}])
    unread = an_inventory(unread=["authorizers"])
    where = "/restApis/a1b2c3d4e5/authorizers"
    assert list(differences(known, unread)) == [f"{where}: could not be read in the newer version"]
    assert list(differences(unread, known)) == [f"{where}: could not be read in the older version"]
    assert list(differences(unread, unread)) == []
