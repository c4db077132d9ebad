"""Consents at an instant."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.patients.domain.consent import (
    Consent,
    ConsentKind,
    ConsentState,
    decide_grant,
    decide_revoke,
    state_at,
)
from shared.values.errors import Conflict, Invalid

DENVER = ZoneInfo("America/Denver")
NOW = datetime(2027, 3, 1, 16, tzinfo=UTC)
DAY = timedelta(days=1)
TREATMENT = ConsentKind.TREATMENT
GIVEN = Consent(TREATMENT, "2027-01", NOW - 10 * DAY)
TODAY = date(2027, 3, 1)


@pytest.mark.parametrize(
    ("consents", "expected"),
    [
        ([], ConsentState.NEVER_GRANTED),
        ([replace(GIVEN, kind=ConsentKind.MESSAGES)], ConsentState.NEVER_GRANTED),
        ([replace(GIVEN, granted_at=NOW + DAY)], ConsentState.NEVER_GRANTED),
        ([GIVEN], ConsentState.GRANTED),
        ([replace(GIVEN, granted_at=NOW)], ConsentState.GRANTED),
        ([replace(GIVEN, expires_on=TODAY)], ConsentState.GRANTED),
        ([replace(GIVEN, expires_on=TODAY - DAY)], ConsentState.EXPIRED),
        ([replace(GIVEN, revoked_at=NOW)], ConsentState.REVOKED),
        ([replace(GIVEN, revoked_at=NOW + DAY)], ConsentState.GRANTED),
        ([GIVEN, replace(GIVEN, granted_at=NOW - DAY, revoked_at=NOW)], ConsentState.REVOKED),
        (
            [replace(GIVEN, revoked_at=NOW - 9 * DAY), replace(GIVEN, granted_at=NOW - DAY)],
            ConsentState.GRANTED,
        ),
        ([replace(GIVEN, text_version="2026-01")], ConsentState.OTHER_VERSION),
    ],
)
def test_the_latest_grant_decides(consents: list[Consent], expected: ConsentState) -> None:
    assert state_at(consents, TREATMENT, NOW, DENVER, "2027-01") is expected
    assert state_at(consents[::-1], TREATMENT, NOW, DENVER, "2027-01") is expected


def test_any_version_will_do_where_none_is_asked_for() -> None:
    assert state_at([GIVEN], TREATMENT, NOW, DENVER) is ConsentState.GRANTED


def test_the_last_day_is_that_of_the_zone() -> None:
    late = datetime(2027, 3, 2, 6, 59, tzinfo=UTC)
    held = [replace(GIVEN, expires_on=TODAY)]
    assert state_at(held, TREATMENT, late, DENVER) is ConsentState.GRANTED
    after = late + timedelta(minutes=1)
    assert state_at(held, TREATMENT, after, DENVER) is ConsentState.EXPIRED


def test_a_consent_that_makes_sense_may_be_recorded() -> None:
    today = replace(GIVEN, granted_at=NOW, expires_on=TODAY)
    for fine in (GIVEN, replace(GIVEN, granted_at=NOW), today):
        assert decide_grant(fine, NOW, DENVER) is fine


@pytest.mark.parametrize(
    ("consent", "code"),
    [
        (replace(GIVEN, granted_at=NOW + timedelta(seconds=1)), "consent.granted_in_future"),
        (replace(GIVEN, granted_at=NOW, expires_on=TODAY - DAY), "consent.expires_before_grant"),
    ],
)
def test_a_consent_of_the_future_or_over_before_it_began_is_refused(
    consent: Consent, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        decide_grant(consent, NOW, DENVER)
    assert refused.value.code == code


def test_a_consent_is_taken_back_once() -> None:
    assert decide_revoke(GIVEN, NOW) == NOW
    with pytest.raises(Conflict) as refused:
        decide_revoke(replace(GIVEN, revoked_at=NOW), NOW + DAY)
    assert refused.value.code == "consent.already_revoked"
