"""Reminders among kills, in small: nothing is wrong, and what were wrong would be found.

The long run is `make reminders`."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import uvloop

from bench.reminding import Reminded, figures, reminded
from bench.reminding_truth import CUT, LATER, REFUSED, TAKEN, Call, Deed, Visit, problems
from bench.stage import Stage, stage

VISITS, SEED = 160, 7
OFTEN = (1.5, 4.0)
"""Seconds between kills: a small run is short."""

AT = datetime(2027, 1, 6, 10, 0, tzinfo=UTC)
VISIT, PATIENT, FIRST, SECOND = (UUID(int=n) for n in range(1, 5))
OLD, NEW = "Wednesday", "Monday"


@pytest.fixture
def made() -> Iterator[Stage]:
    """A server, a network and an issuer."""
    with stage(durable=False) as found:
        yield found


def run(made: Stage, target: str) -> Reminded:
    return uvloop.run(reminded(made, VISITS, SEED, target=target, kill_every=OFTEN))


@pytest.mark.timeout(300)
def test_nobody_is_reminded_twice_nor_who_should_not_be_and_nobody_is_forgotten(
    made: Stage,
) -> None:
    found = run(made, "services.appointments.app:service")
    assert found.problems == []
    assert found.kills >= 2
    assert set(found.deeds) == {"cancelled", "opted_out", "merged", "moved"}
    assert all(figure.holds for figure in figures(found, VISITS, SEED))


@pytest.mark.timeout(300)
def test_a_call_before_sending_is_kept_doubles_messages_and_is_found(made: Stage) -> None:
    found = run(made, "bench.reminding_planted:called_before_kept")
    kinds = {text.partition(":")[0] for text in found.problems}
    assert "doubled" in kinds
    assert not all(figure.holds for figure in figures(found, VISITS, SEED))


# ── the checker by itself ────────────────────────────────────────────────────────────────────


def visit(*deeds: Deed) -> Visit:
    return Visit(VISIT, PATIENT, OLD, (4320, 1440), AT, list(deeds))


def call(reminder: UUID = FIRST, when: str = OLD, did: str = TAKEN) -> Call:
    return Call(reminder, PATIENT, when, did)


def row(
    reminder: UUID, lead: int, state: str = "sent", reason: str | None = None
) -> dict[str, Any]:
    return {
        "id": reminder,
        "appointment_id": VISIT,
        "patient_id": PATIENT,
        "channel": "email",
        "lead_minutes": lead,
        "state": state,
        "reason": reason,
    }


BOTH = [row(FIRST, 4320), row(SECOND, 1440)]
WELL = [call(FIRST), call(SECOND)]


def deed(what: str, *begun: UUID, calls: int = 0, told: str = OLD) -> Deed:
    return Deed(what, frozenset(begun), calls, told)


def kinds(of: Visit, calls: list[Call], rows: list[dict[str, Any]], *reasons: str) -> list[str]:
    found = problems([of], calls, rows, {VISIT: reasons} if reasons else {})
    return [text.partition(":")[0] for text in found]


UNKNOWN = [row(FIRST, 4320, "unknown"), row(SECOND, 1440)]
FAILED = [row(FIRST, 4320, "failed", "mail_refused"), row(SECOND, 1440)]
OFF = [row(FIRST, 4320), row(SECOND, 1440, "suppressed", "visit_cancelled")]

HOLDS = {
    "all_sent": (visit(), WELL, BOTH, ()),
    "later_and_then": (visit(), [call(did=LATER), *WELL], BOTH, ()),
    "cut_and_called": (visit(), [call(did=CUT), call(SECOND)], UNKNOWN, ("unknown_outcome",)),
    "unknown_that_never_left": (visit(), [call(SECOND)], UNKNOWN, ("unknown_outcome",)),
    "refused": (visit(), [call(did=REFUSED), call(SECOND)], FAILED, ("not_reached",)),
    "called_off_later": (visit(deed("cancelled", FIRST, calls=1)), [call()], OFF, ()),
    "merged_and_called": (visit(deed("merged")), [], [], ("patient_merged",)),
    "on_its_way": (visit(deed("cancelled", FIRST, calls=0)), [call()], OFF, ()),
    "moved": (
        visit(deed("moved", FIRST, calls=1, told=NEW)),
        [call(), call(SECOND, NEW)],
        BOTH,
        (),
    ),
    "moved_and_called": (visit(deed("moved", calls=0, told=NEW)), [], [], ("time_changed",)),
}
BREAKS = {
    "doubled": (visit(), [call(), *WELL], BOTH, ()),
    "doubled_by_a_cut": (visit(), [call(did=CUT), *WELL], UNKNOWN, ("unknown_outcome",)),
    "cancelled": (visit(deed("cancelled")), [call()], OFF, ()),
    "opted_out": (visit(deed("opted_out", FIRST, calls=1)), WELL, BOTH, ()),
    "merged": (visit(deed("merged", FIRST, calls=1)), WELL, BOTH, ()),
    "another_time": (visit(deed("moved", calls=0, told=NEW)), WELL, BOTH, ()),
    "another_patient": (visit(), [replace(call(), patient=UUID(int=9)), call(SECOND)], BOTH, ()),
    "untold": (visit(), [call(UUID(int=9)), *WELL], BOTH, ()),
    "untold_cut": (visit(), [call(did=CUT), call(SECOND)], BOTH, ()),
    "not_sent": (visit(), [call()], BOTH, ()),
    "unsettled": (visit(), [call()], [row(FIRST, 4320), row(SECOND, 1440, "due")], ()),
    "unsettled_why": (visit(deed("cancelled")), [], [row(FIRST, 4320, "suppressed")], ()),
    "uncalled": (visit(), [call(SECOND)], UNKNOWN, ()),
    "uncalled_failed": (visit(), [call(did=REFUSED), call(SECOND)], FAILED, ()),
    "forgotten": (visit(), [call()], [row(FIRST, 4320)], ()),
    "forgotten_merged": (visit(deed("merged")), [], [], ()),
    "forgotten_moved": (visit(deed("moved", told=NEW)), [], [], ()),
}


@pytest.mark.parametrize("name", HOLDS)
def test_what_is_as_it_should_be_is_no_problem(name: str) -> None:
    of, calls, rows, reasons = HOLDS[name]
    assert kinds(of, calls, rows, *reasons) == []


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_not_is_named(name: str) -> None:
    of, calls, rows, reasons = BREAKS[name]
    found = kinds(of, calls, rows, *reasons)
    assert any(name.startswith(kind) for kind in found), found
