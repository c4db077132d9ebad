"""What every operation of every service tells whoever builds on it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.db.provision import SERVICES
from shared.web.openapi import operations

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "openapi"


def document(service: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{service}.json").read_text())
    return found


def resolved(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, or what its reference names."""
    if "$ref" in schema:
        found: Any = whole
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return dict(found)
    return schema


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_says_what_it_is_and_what_it_refuses(service: str) -> None:
    found = operations(document(service))
    assert len(found) >= 8
    assert len({operation["operationId"] for _, _, operation in found}) == len(found)
    for method, path, operation in found:
        assert operation["summary"], path
        assert operation["tags"], path
        assert operation["security"] == [{"bearer": []}], path
        refusals = {"401", "403", "422", "429", "503"}
        if method in ("POST", "PATCH", "PUT"):
            refusals |= {"400", "409"}
        if "{" in path:
            refusals.add("404")
        assert refusals <= set(operation["responses"]), (method, path)


@pytest.mark.parametrize("service", SERVICES)
def test_every_body_has_an_example(service: str) -> None:
    whole = document(service)
    lacking = []
    for method, path, operation in operations(whole):
        content = operation.get("requestBody", {}).get("content", {})
        for media, found in content.items():
            if media != "multipart/form-data" and "example" not in found:
                lacking.append(f"{method} {path} request")
        for status, response in operation["responses"].items():
            schema = response.get("content", {}).get("application/json", {}).get("schema")
            for option in () if schema is None else schema.get("anyOf", [schema]):
                if "examples" not in resolved(option, whole):
                    lacking.append(f"{method} {path} {status}")
    assert lacking == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_reference_leads_somewhere(service: str) -> None:
    whole = document(service)
    text = json.dumps(whole)
    names = set(whole["components"]["schemas"])
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= names


@pytest.mark.parametrize("service", SERVICES)
def test_every_deed_takes_an_idempotency_key(service: str) -> None:
    reading = {"search_patients", "match_patient", "look_up_patients", "explain_appointment"}
    reading |= {"preview_block", "look_up_contact_point"}
    # A reply that is kept for replays would keep the secret; a further one makes it worthless.
    reading.add("rotate_feed")
    for method, path, operation in operations(document(service)):
        headers = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}
        if method == "POST" and operation["operationId"] not in reading:
            assert "Idempotency-Key" in headers, (path, operation["operationId"])
