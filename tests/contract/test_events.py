"""Events: closed vocabulary, no identifiers, samples that every reader takes."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ops.generate import services
from shared.contracts.catalogue import EVENTS
from shared.contracts.envelope import Event

FOLDER = Path(__file__).parent

NEVER = {
    "name", "family_name", "given_name", "birth_date", "date_of_birth", "phone", "email", "address",
    "mrn", "ssn", "member_id", "note", "text", "comment", "reason_text", "diagnosis", "icd10",
    "procedure_code",
}  # fmt: skip


@pytest.mark.parametrize("wire", sorted(EVENTS))
def test_no_event_carries_an_identifier_or_free_text(wire: str) -> None:
    schema = EVENTS[wire].model_json_schema()
    assert set(schema["properties"]) & NEVER == set()
    assert _loose_strings(schema["properties"]) == []


@pytest.mark.parametrize("wire", sorted(EVENTS))
def test_codes_of_services_never_travel_with_a_patient(wire: str) -> None:
    names = set(EVENTS[wire].model_fields)
    if "patient_id" in names:
        assert [n for n in names if "service_code" in n] == []


def _loose_strings(properties: dict[str, Any]) -> list[str]:
    """Members that are strings of any content."""
    loose = []
    for name, schema in properties.items():
        for option in [schema, *schema.get("anyOf", []), schema.get("items", {})]:
            if option.get("type") == "string" and not (
                {"enum", "pattern", "format", "const"} & set(option)
            ):
                loose.append(name)
    return loose


@pytest.mark.parametrize("wire", sorted(EVENTS))
def test_the_committed_sample_is_read_by_today_s_reader(wire: str) -> None:
    sample = (FOLDER / "samples" / f"{wire}.json").read_text()
    event = EVENTS[wire].model_validate_json(sample, strict=True)
    assert isinstance(event.subject_id, UUID)
    with_more = {**json.loads(sample), "a_member_of_the_future": 1}
    assert EVENTS[wire].model_validate_json(json.dumps(with_more), strict=True) == event


def test_every_subscription_is_to_an_event_there_is() -> None:
    for service in services().values():
        for event in service.subscriptions.handlers:
            assert EVENTS[event.wire_type()] is event
            assert service.subscriptions.locks(event.example()) is not None


def test_nothing_is_said_that_nobody_can_name() -> None:
    assert all(issubclass(event, Event) and event.__doc__ for event in EVENTS.values())
