"""Rules of who may act for a patient."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.patients.domain.proxies import (
    MAJORITY_AGES,
    Authority,
    EndReason,
    Power,
    Proxy,
    State,
    decide_end,
    decide_grant,
    lapses_at,
    majority_at,
    next_lapse,
    state_at,
    why_lapsed,
)
from shared.contracts.permissions import ABOUT_NOBODY, MATRIX, Role
from shared.values.errors import Conflict, Invalid
from shared.values.ids import new_id

pytestmark = pytest.mark.rule("45 CFR 164.502(g)")

NOW = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)
DENVER, HONOLULU = ZoneInfo("America/Denver"), ZoneInfo("Pacific/Honolulu")
PATIENT = new_id()
FRIEND = Proxy("a-friend", None, Authority.PATIENT_PERMISSION, [Power.PATIENT_READ], NOW)


def test_the_powers_are_what_the_portal_may_about_somebody() -> None:
    portal = {permission.value for permission in MATRIX[Role.PORTAL] - ABOUT_NOBODY}
    assert {power.value for power in Power} == portal


@pytest.mark.parametrize(
    ("changes", "majority", "code"),
    [
        ({"patient_id": new_id()}, None, "proxy.who"),
        ({"subject": None}, None, "proxy.who"),
        ({"subject": None, "patient_id": PATIENT}, None, "proxy.self"),
        ({"scope": []}, None, "proxy.scope"),
        ({"scope": [Power.PATIENT_READ, Power.PATIENT_READ]}, None, "proxy.scope"),
        ({"authority": Authority.PERSONAL_REPRESENTATIVE}, None, "proxy.evidence_missing"),
        ({"authority": Authority.HEALTH_CARE_POWER_OF_ATTORNEY}, None, "proxy.evidence_missing"),
        ({"until_at": NOW}, None, "proxy.interval"),
        ({"until_at": NOW - DAY, "begins_at": NOW - 2 * DAY}, None, "proxy.interval"),
        ({"until_at": NOW + DAY, "begins_at": NOW + DAY}, None, "proxy.interval"),
        ({"authority": Authority.PARENT_OR_GUARDIAN}, NOW, "proxy.of_age"),
        (
            {"authority": Authority.PARENT_OR_GUARDIAN, "begins_at": NOW + 2 * DAY},
            NOW + DAY,
            "proxy.of_age",
        ),
        ({"begins_at": datetime(2300, 1, 1, tzinfo=UTC)}, None, "time.range"),
        ({"until_at": datetime(2300, 1, 1, tzinfo=UTC)}, None, "time.range"),
    ],
)
def test_an_entry_that_may_not_be_made(
    changes: dict[str, Any], majority: datetime | None, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        decide_grant(PATIENT, replace(FRIEND, **changes), majority, NOW)
    assert refused.value.code == code


def test_an_entry_ends_by_itself_at_the_earlier_of_its_own_end_and_the_patients_age() -> None:
    assert decide_grant(PATIENT, FRIEND, None, NOW) is None
    parent = replace(FRIEND, authority=Authority.PARENT_OR_GUARDIAN)
    for until, majority, lapses in (
        (None, NOW + DAY, NOW + DAY),
        (NOW + DAY, NOW + 2 * DAY, NOW + DAY),
        (NOW + 2 * DAY, NOW + DAY, NOW + DAY),
    ):
        found = decide_grant(PATIENT, replace(parent, until_at=until), majority, NOW)
        assert found == lapses_at(until, majority) == lapses
    assert why_lapsed(NOW, NOW) is EndReason.AGE_OF_MAJORITY
    assert why_lapsed(None, NOW) is why_lapsed(NOW + DAY, NOW) is EndReason.EXPIRED
    assert next_lapse([None, NOW + DAY, NOW]) == NOW
    assert next_lapse([None]) is None


def test_paper_is_enough_for_what_rests_on_it() -> None:
    for authority in (Authority.PERSONAL_REPRESENTATIVE, Authority.HEALTH_CARE_POWER_OF_ATTORNEY):
        who = replace(FRIEND, authority=authority, evidence_document_id=new_id())
        assert decide_grant(PATIENT, who, None, NOW) is None


@pytest.mark.parametrize(
    ("begins", "lapses", "ended", "state"),
    [
        (NOW, None, None, State.LIVING),
        (NOW + DAY, None, None, State.NOT_BEGUN),
        (NOW - DAY, NOW, None, State.LAPSED),
        (NOW - DAY, NOW + timedelta(seconds=1), None, State.LIVING),
        (NOW - DAY, None, NOW, State.ENDED),
        (NOW + DAY, None, NOW, State.ENDED),
    ],
)
def test_how_an_entry_stands(
    begins: datetime, lapses: datetime | None, ended: datetime | None, state: State
) -> None:
    assert state_at(NOW, begins, lapses, ended) is state


def test_it_is_ended_once() -> None:
    decide_end(None)
    with pytest.raises(Conflict, match=r"proxy\.already_ended"):
        decide_end(NOW)


def test_somebody_is_of_age_when_their_birthday_begins_where_it_begins_first() -> None:
    born = date(2008, 11, 20)
    denver = datetime(2026, 11, 20, 7, tzinfo=UTC)
    assert majority_at(born, 18, [DENVER]) == denver
    assert majority_at(born, 18, [HONOLULU, DENVER]) == denver
    assert majority_at(born, 18, []) == datetime(2026, 11, 20, tzinfo=UTC)
    assert majority_at(born, 19, [DENVER]) == datetime(2027, 11, 20, 7, tzinfo=UTC)
    assert majority_at(date(2008, 2, 29), 18, []) == datetime(2026, 3, 1, tzinfo=UTC)
    assert majority_at(date(2008, 2, 29), 20, []) == datetime(2028, 2, 29, tzinfo=UTC)


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.sampled_from(list(MAJORITY_AGES)))
def test_nobody_is_of_age_before_their_birthday_nor_a_day_later(born: date, age: int) -> None:
    for zone in (DENVER, HONOLULU):
        at = majority_at(born, age, [zone])
        before = (at - timedelta(microseconds=1)).astimezone(zone).date()
        after = at.astimezone(zone).date()
        assert (before.year - born.year, (before.month, before.day)) < (
            age,
            (born.month, born.day),
        )
        assert (after.year - born.year, (after.month, after.day)) >= (age, (born.month, born.day))
        assert after - before == timedelta(days=1)
