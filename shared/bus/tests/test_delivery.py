"""Judging records: pure."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.delivery import Delivery, Unread, Verdict, batch_of, delivery_of, verdict
from shared.bus.tests.company import TOPIC, ThingChanged, ThingMoved, record, said
from shared.contracts.envelope import Event
from shared.db.locks import LOCKS_MAX, LockKey

KNOWN = {ThingChanged.wire_type(): ThingChanged}
HERE, THERE = UUID(int=1), UUID(int=2)


def no_locks(_event: Event) -> list[LockKey]:
    return []


@given(st.integers(1, 9), st.integers(0, 9), st.sampled_from([None, "hole", "poison"]))
def test_only_the_next_number_is_applied_and_never_behind_a_poison(
    seq: int, applied: int, parked: str | None
) -> None:
    """The whole table of verdicts."""
    found = verdict(seq, applied, parked)  # type: ignore[arg-type]
    if seq <= applied:
        assert found is Verdict.REPEAT
    elif parked == "poison" or seq > applied + 1:
        assert found is Verdict.PARK
    else:
        assert found is Verdict.APPLY


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"ce_specversion": "0.3"}, "specversion"),
        ({"ce_subject": "thing"}, "shape"),
        ({"ce_subjectseq": "0"}, "sequence"),
        ({"ce_subjectseq": "one"}, "shape"),
        ({"ce_tenant": ""}, "shape"),
        ({"ce_id": "1"}, "shape"),
        ({"ce_time": "2026-11-02T12:00:00"}, "time"),
        ({"ce_time": "yesterday"}, "shape"),
        ({"ce_source": "/clinicbus/beta"}, "topic"),
        ({"ce_source": "https://elsewhere"}, "topic"),
        ({"ce_correlationid": "?"}, "shape"),
    ],
)
def test_headers_that_lie_or_lack_make_a_record_unreadable(
    headers: dict[str, str], reason: str
) -> None:
    """The reason says which, and repeats no value."""
    message = said(HERE, UUID(int=7), 1, 1)
    pairs = tuple((dict(message.headers) | headers).items())
    found = delivery_of(record(message._replace(headers=pairs)), KNOWN, no_locks)
    assert isinstance(found, Unread)
    assert reason in found.reason
    assert not any(len(text) > 3 and text in found.reason for text in headers.values())


@pytest.mark.parametrize("missing", [name for name, _ in said(HERE, UUID(int=7), 1, 1).headers])
def test_what_an_envelope_needs_it_needs(missing: str) -> None:
    """Headers that nothing here depends on may be missing; the others may not."""
    message = said(HERE, UUID(int=7), 1, 1)
    pairs = tuple(pair for pair in message.headers if pair[0] != missing)
    found = delivery_of(record(message._replace(headers=pairs)), KNOWN, no_locks)
    optional = {"ce_dataschema", "ce_dataclassification", "content-type"}
    assert isinstance(found, Delivery if missing in optional else Unread)


def test_a_key_that_is_missing_or_not_the_subjects_is_unreadable() -> None:
    """Its order could not be trusted."""
    good = record(said(HERE, UUID(int=7), 1, 1))
    for key in (None, "", "another"):
        assert isinstance(delivery_of(replace(good, key=key), KNOWN, no_locks), Unread)


def test_data_about_another_subject_is_a_problem_of_the_key_in_the_headers() -> None:
    """Headers and data must name the same."""
    message = said(HERE, UUID(int=7), 1, 1)
    other = ThingChanged(thing_id=UUID(int=8), value=1).model_dump_json().encode()
    found = delivery_of(record(message._replace(value=other)), KNOWN, no_locks)
    assert isinstance(found, Delivery)
    assert (found.event, found.problem) == (None, "unreadable_data")


def test_what_is_not_heard_has_no_event_and_no_problem() -> None:
    """Another type of the topic, known or not; but not another version of one that is heard."""
    thing = UUID(int=7)
    moved = said(HERE, thing, 1, 0, event=ThingMoved(thing_id=thing))
    painted = said(HERE, thing, 1, 0, ce_type="clinicbus.alpha.thing.painted.v1")
    later = said(HERE, thing, 1, 0, ce_type="clinicbus.alpha.thing.changed.v2")
    found = [delivery_of(record(m), KNOWN, no_locks) for m in (moved, painted, later)]
    problems = [d.problem for d in found if isinstance(d, Delivery) and d.event is None]
    assert problems == [None, None, "unknown_version"]


def test_a_batch_is_grouped_by_network_and_keeps_each_ones_order() -> None:
    """Rubbish stands apart; ends are where each partition stands afterwards."""
    messages = [said(n, UUID(int=t), s, s) for s in (1, 2) for n, t in ((HERE, 1), (THERE, 2))]
    records = [record(m, offset) for offset, m in enumerate(messages)]
    rubbish = replace(records[0], headers=(), offset=9)
    batch = batch_of([*records, rubbish], KNOWN, no_locks)
    found = {g.network_id: [d.envelope.subject_seq for d in g.deliveries] for g in batch.groups}
    assert found == {HERE: [1, 2], THERE: [1, 2]}
    assert len(batch.groups) == 2
    assert [u.record for u in batch.unread] == [rubbish]
    last = {(r.topic, r.partition): r.offset + 1 for r in [*records, rubbish]}
    assert batch.ends == last
    assert all(topic == TOPIC for topic, _ in batch.ends)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_no_group_takes_more_locks_than_a_transaction_may(widths: list[int]) -> None:
    """A larger one is split, in order, and nothing is left out."""
    messages = [said(HERE, UUID(int=n + 1), 1, width) for n, width in enumerate(widths)]

    def locks(event: Event) -> list[LockKey]:
        assert isinstance(event, ThingChanged)
        return [("slot", f"{event.thing_id}/{n}") for n in range(event.value)]

    batch = batch_of([record(m) for m in messages], KNOWN, locks)
    assert all(len(group.locks) <= LOCKS_MAX for group in batch.groups)
    held = [d.record.key for group in batch.groups for d in group.deliveries]
    assert held == [m.key for m in messages]
