"""The two state machines, action by action: pure."""

from collections.abc import Callable, Sequence
from datetime import date
from uuid import UUID

import pytest

from shared.bus import consumer_machine as c
from shared.bus import relay_machine as r
from shared.bus.port import Message
from shared.bus.tests.company import TOPIC, ThingChanged, record, said

TODAY = date(2026, 11, 2)
NETWORK = UUID(int=1)


def row(xid: int, number: int, value: bytes = b"") -> r.OutboxRow:
    return r.OutboxRow(r.Cursor(xid, number), Message("t", "k", 0, (), value))


def leading(now: float = 0.0) -> r.RelayMachine:
    """A relay that holds the lease, has told the bus, and is about to read."""
    machine = r.RelayMachine(lambda: 0.0)
    for expected, fact in (
        (r.MakeDays, r.Done()),
        (r.Acquire, r.Granted(3, r.Cursor(0, 0), TODAY)),
        (r.Fence, r.Done()),
    ):
        assert isinstance(machine.decide(now), expected)
        machine.heard(fact, now)
    return machine


def test_a_batch_goes_to_the_bus_before_the_cursor_moves() -> None:
    """Read, append, save, and on from there."""
    machine = leading()
    rows = (row(5, 1), row(5, 2))
    assert machine.decide(0.01) == r.Read(r.Cursor(0, 0), None, TODAY)
    machine.heard(r.Rows(rows), 0.01)
    assert machine.decide(0.02) == r.Append(3, rows)
    machine.heard(r.Done(), 0.02)
    assert machine.decide(0.03) == r.Save(3, r.Cursor(5, 2))
    machine.heard(r.Renewed(TODAY), 0.03)
    assert machine.decide(0.04) == r.Read(r.Cursor(5, 2), TODAY, TODAY)


def test_a_batch_that_ends_for_its_size_leaves_the_days_before_it_to_be_looked_through() -> None:
    """Few rows are the last ones only where they are small."""
    for size, since in ((r.BATCH_BYTES - 1, TODAY), (r.BATCH_BYTES, None)):
        machine = leading()
        machine.decide(0.01)
        machine.heard(r.Rows((row(5, 1, bytes(size)),)), 0.01)
        machine.decide(0.02)
        machine.heard(r.Done(), 0.02)
        machine.decide(0.03)
        machine.heard(r.Renewed(TODAY), 0.03)
        assert machine.decide(0.04) == r.Read(r.Cursor(5, 1), since, TODAY)


def test_trouble_with_the_bus_sends_the_batch_again_and_keeps_the_lease() -> None:
    """The cursor stays; the lease is renewed before the next try."""
    machine = leading()
    machine.decide(0.01)
    machine.heard(r.Rows((row(5, 1),)), 0.01)
    machine.decide(0.02)
    machine.heard(r.Trouble(), 0.02)
    wait = machine.decide(0.02)
    assert isinstance(wait, r.Wait)
    assert not wait.wakeable
    later = 0.02 + wait.seconds
    assert machine.decide(later) == r.Renew(3)
    machine.heard(r.Renewed(TODAY), later)
    assert machine.decide(later) == r.Read(r.Cursor(0, 0), None, TODAY)


def test_pauses_after_trouble_grow_and_stay_below_a_second() -> None:
    """Though the database answers in between; and begin anew once the bus took a batch."""
    machine = leading()
    now, pauses = 0.01, list[float]()
    rows = r.Rows((row(5, 1),))
    while len(pauses) < 9:
        action = machine.decide(now)
        match action:
            case r.Append():
                machine.heard(r.Trouble(), now)
            case r.Wait():
                pauses.append(action.seconds)
                now += action.seconds
                machine.heard(r.Done(), now)
            case r.Read():
                machine.heard(rows, now)
            case _:
                machine.heard(r.Renewed(TODAY), now)
    assert pauses == pytest.approx(sorted(pauses))
    assert pauses[0] < 0.1 < pauses[-1] <= r.TROUBLE_LAST_SECONDS
    while not isinstance(machine.decide(now), r.Append):
        machine.heard(rows if isinstance(machine._last, r.Read) else r.Renewed(TODAY), now)
    machine.heard(r.Done(), now)
    machine.decide(now)
    machine.heard(r.Trouble(), now)
    wait = machine.decide(now)
    assert isinstance(wait, r.Wait)
    assert wait.seconds < 0.1


def test_paused_past_its_lease_it_asks_before_it_does_anything() -> None:
    """Whatever it had in hand."""
    machine = leading()
    machine.decide(0.01)
    machine.heard(r.Rows((row(5, 1),)), 0.01)
    assert machine.decide(60.0) == r.Renew(3)
    machine.heard(r.Lost(), 60.0)
    assert isinstance(machine.decide(60.0), r.Wait)
    assert machine.decide(60.0 + r.STANDBY_SECONDS) == r.Acquire()


def test_an_idle_relay_looks_less_and_less_often_until_somebody_commits() -> None:
    """Each look after a wake follows within twice the time waited; a commit starts over."""
    machine = leading()
    now, waits = 0.0, []
    while now < 5:
        action = machine.decide(now)
        if isinstance(action, r.Wait):
            waits.append(action.seconds)
            now += action.seconds
            machine.heard(r.Done(), now)
        else:
            fact = r.Rows(()) if isinstance(action, r.Read) else r.Renewed(TODAY)
            machine.heard(fact, now)
    assert waits[:6] == pytest.approx([0.002 * 2**n for n in range(6)])
    assert len(waits) < 20
    machine.decide(now)
    machine.heard(r.Woken(), now)
    assert isinstance(machine.decide(now), r.Read | r.Renew)


def test_all_days_are_read_at_first_and_once_an_hour() -> None:
    """In between only those since the outbox was last drained."""
    machine = leading()
    reads: list[date | None] = []
    now = 0.0
    while now < 2 * r.FULL_SECONDS + 10:
        action = machine.decide(now)
        match action:
            case r.Wait():
                now += max(action.seconds, 30.0)  # nobody looks between
                machine.heard(r.Done(), now)
            case r.Read():
                reads.append(action.since)
                machine.heard(r.Rows(()), now)
            case r.Renew():
                machine.heard(r.Renewed(TODAY), now)
            case _:
                machine.heard(r.Done(), now)
    assert reads[0] is None
    assert reads.count(None) == 3


def consumer(positions: dict[tuple[str, int], int]) -> c.ConsumerMachine:
    machine = c.ConsumerMachine(
        {ThingChanged.wire_type(): ThingChanged}, lambda _event: (), lambda: 0.0
    )
    machine.assigned(positions)
    assert isinstance(machine.decide(0.0), c.Settle)
    machine.heard(c.Done(), 0.0)
    return machine


def polled(machine: c.ConsumerMachine, messages: Sequence[Message], now: float = 0.0) -> None:
    assert isinstance(machine.decide(now), c.Poll)
    machine.heard(c.Records([record(m, n) for n, m in enumerate(messages)]), now)


def owned_by(messages: Sequence[Message]) -> dict[tuple[str, int], int]:
    return {(m.topic, m.partition): 0 for m in messages}


def test_only_the_last_step_of_a_batch_moves_the_offsets() -> None:
    """Two networks are two transactions."""
    messages = [said(UUID(int=n), UUID(int=n), 1, 1) for n in (1, 2)]
    machine = consumer(owned_by(messages))
    polled(machine, messages)
    first = machine.decide(0.1)
    assert isinstance(first, c.Apply)
    assert first.moves is None
    machine.heard(c.Done(), 0.1)
    second = machine.decide(0.2)
    assert isinstance(second, c.Apply)
    assert second.moves is not None
    machine.heard(c.Done(), 0.2)
    assert machine.positions == {(m.topic, m.partition): n + 1 for n, m in enumerate(messages)}
    assert isinstance(machine.decide(1.5), c.Commit)


def test_a_group_that_fails_for_good_is_taken_apart_and_its_culprit_parked() -> None:
    """One transaction each, the culprit's key parked, the offsets with the last."""
    messages = [said(NETWORK, UUID(int=n), 1, 1) for n in (1, 2, 3)]
    machine = consumer(owned_by(messages))
    polled(machine, messages)
    machine.decide(0.1)
    machine.heard(c.Failed("permanent", "x"), 0.1)
    done: list[str] = []
    while machine.in_hand:
        action = machine.decide(0.1)
        if isinstance(action, c.Apply):
            assert (action.moves is not None) == (len(done) == 3)
            assert len(action.group.deliveries) == 1
            culprit = action.group.deliveries[0].envelope.subject == messages[1].headers[4][1]
            done.append("fails" if culprit else "applied")
            machine.heard(c.Failed("permanent", "y") if culprit else c.Done(), 0.1)
        else:
            assert isinstance(action, c.Park)
            assert (action.problem, action.passes) == ("y", False)
            done.append("parked")
            machine.heard(c.Done(), 0.1)
    assert done == ["applied", "fails", "parked", "applied"]
    assert machine.positions == {(m.topic, m.partition): n + 1 for n, m in enumerate(messages)}


def test_where_the_last_step_is_a_park_the_offsets_move_by_themselves() -> None:
    """Parking and moving are two transactions: `applied` knows what the first one did."""
    messages = [said(NETWORK, UUID(int=1), 1, 1)]
    machine = consumer(owned_by(messages))
    polled(machine, messages)
    machine.decide(0.1)
    machine.heard(c.Failed("permanent", "x"), 0.1)
    assert isinstance(machine.decide(0.1), c.Park)
    machine.heard(c.Done(), 0.1)
    action = machine.decide(0.1)
    assert isinstance(action, c.Move)
    assert machine.in_hand
    machine.heard(c.Done(), 0.1)
    assert not machine.in_hand
    assert list(machine.positions.values()) == [1]


def played(
    machine: c.ConsumerMachine, failing: Callable[[c.Apply], c.Failed | None], most: int = 200
) -> tuple[list[str], float]:
    """Do what a batch asks for, with a clock of its own; subjects as they take effect or are
    parked, and how long it took."""
    now, done = 0.1, list[str]()
    for _ in range(most):
        if not machine.in_hand:
            break
        action = machine.decide(now)
        fact: c.Fact = c.Done()
        match action:
            case c.Apply():
                failed = failing(action)
                fact = failed or fact
                if failed is None:
                    done += [d.envelope.subject for d in action.group.deliveries]
            case c.Park():
                done.append(f"parked {action.delivery.envelope.subject} {action.passes}")
            case c.Wait():
                now += action.seconds
        machine.heard(fact, now)
    return done, now


def test_what_fails_for_a_while_is_set_aside_and_others_go_on() -> None:
    """Its own followers stay behind it, those of other keys do not wait."""
    first, second = UUID(int=1), UUID(int=2)
    messages = [
        said(first, UUID(int=11), 1, 1),
        said(first, UUID(int=12), 1, 1),
        said(second, UUID(int=21), 1, 1),
        said(first, UUID(int=11), 2, 2),
    ]
    machine = consumer(owned_by(messages))
    polled(machine, messages)
    left = [3]

    def failing(step: c.Apply) -> c.Failed | None:
        subjects = {d.envelope.subject for d in step.group.deliveries}
        if f"thing/{UUID(int=11)}" in subjects and left[0]:
            left[0] -= 1
            return c.Failed("transient", "55P03")
        return None

    done, _ = played(machine, failing)
    assert done == [f"thing/{UUID(int=n)}" for n in (21, 12, 11, 11)]
    assert not machine.in_hand


def test_what_goes_on_failing_for_a_while_is_parked_to_be_tried_again() -> None:
    """After some tries with growing pauses, all of them within a few seconds."""
    messages = [said(NETWORK, UUID(int=n), 1, 1) for n in (1, 2)]
    machine = consumer(owned_by(messages))
    polled(machine, messages)
    tries = list[int]()

    def failing(step: c.Apply) -> c.Failed | None:
        if step.group.deliveries[0].envelope.subject == f"thing/{UUID(int=1)}":
            tries.append(len(step.group.deliveries))
            return c.Failed("transient", "40001")
        return None

    done, took = played(machine, failing)
    assert done == [f"thing/{UUID(int=2)}", f"parked thing/{UUID(int=1)} True"]
    assert tries == [2] * c.GROUP_TRIES + [1] * c.SINGLE_TRIES
    assert 0.2 < took < 5.0


def test_what_is_slow_is_not_waited_for_again_and_again() -> None:
    """A handler that hangs costs one deadline as a group and one alone."""
    messages = [said(NETWORK, UUID(int=n), 1, 1) for n in (1, 2)]
    machine = consumer(owned_by(messages))
    polled(machine, messages)
    hung = list[int]()

    def failing(step: c.Apply) -> c.Failed | None:
        if step.group.deliveries[0].envelope.subject == f"thing/{UUID(int=1)}":
            hung.append(len(step.group.deliveries))
            return c.Failed("slow", "TimeoutError")
        return None

    done, _ = played(machine, failing)
    assert hung == [2, 1]
    assert done == [f"parked thing/{UUID(int=1)} True", f"thing/{UUID(int=2)}"]


def test_a_database_that_is_away_is_waited_for_however_long() -> None:
    """With growing pauses; the batch stays whole and nothing is parked."""
    messages = [said(NETWORK, UUID(int=n), 1, 1) for n in (1, 2)]
    machine = consumer(owned_by(messages))
    polled(machine, messages)
    now, pauses = 0.0, []
    for _ in range(20):
        action = machine.decide(now)
        assert isinstance(action, c.Apply)
        assert len(action.group.deliveries) == 2
        machine.heard(c.Failed("away", "57P01"), now)
        wait = machine.decide(now)
        assert isinstance(wait, c.Wait)
        pauses.append(wait.seconds)
        now += wait.seconds
        machine.heard(c.Done(), now)
    assert pauses == pytest.approx(sorted(pauses))
    assert pauses[0] < 0.2 < 2.0 < pauses[-1] <= c.RETRY_LAST_SECONDS


def test_nothing_more_is_read_while_too_much_is_parked() -> None:
    """Until a look finds less."""
    machine = consumer({(TOPIC, 0): 0})
    now = c.SETTLE_SECONDS
    assert isinstance(machine.decide(now), c.Settle)
    machine.heard(c.Done(full=True), now)
    for _ in range(3):
        wait = machine.decide(now)
        assert isinstance(wait, c.Wait)
        now += wait.seconds
        machine.heard(c.Done(), now)
        assert isinstance(machine.decide(now), c.Settle)
        machine.heard(c.Done(full=True), now)
    now += c.SETTLE_SECONDS
    assert isinstance(machine.decide(now), c.Settle)
    machine.heard(c.Done(), now)
    assert isinstance(machine.decide(now), c.Poll)


def test_a_key_that_cannot_be_parked_stops_everything() -> None:
    """Rather than lose it."""
    messages = [said(NETWORK, UUID(int=1), 1, 1)]
    machine = consumer(owned_by(messages))
    polled(machine, messages)
    machine.decide(0.0)
    machine.heard(c.Failed("permanent", "x"), 0.0)
    for now in (10.0, 20.0, 30.0):
        assert isinstance(machine.decide(now), c.Park)
        machine.heard(c.Failed("permanent", "y"), now)
    assert machine.in_hand
    assert list(machine.positions.values()) == [0]


def test_a_revocation_drops_what_is_left_of_the_batch_and_reads_the_rest_again() -> None:
    """From the stored offsets."""
    messages = [said(NETWORK, UUID(int=n), 1, 1) for n in range(1, 30)]
    keys = sorted(owned_by(messages))
    machine = consumer(owned_by(messages))
    polled(machine, messages)
    assert isinstance(machine.decide(0.0), c.Apply)
    machine.revoked(frozenset(keys[:1]))
    machine.heard(c.Done(), 0.0)
    assert isinstance(machine.decide(0.0), c.Resync)
    machine.assigned({("other", 0): 5})
    machine.heard(c.Stands(dict.fromkeys(keys, 7)), 0.0)
    assert machine.positions == dict.fromkeys(keys[1:], 7) | {("other", 0): 5}


def test_records_of_partitions_that_are_not_owned_are_left_alone() -> None:
    """Nor those below where a partition stands."""
    mine = [said(NETWORK, UUID(int=1), seq, seq) for seq in (1, 2, 3)]
    others = [said(NETWORK, UUID(int=n), 1, 1) for n in range(2, 30)]
    first = (TOPIC, mine[0].partition)
    machine = consumer({first: 1})
    polled(machine, [*mine, *(m for m in others if m.partition != first[1])])
    action = machine.decide(0.0)
    assert isinstance(action, c.Apply)
    assert [d.record.offset for d in action.group.deliveries] == [1, 2]
    assert action.moves == c.Moves(((first, 1, 3),))


def test_a_filled_hole_is_settled_at_once() -> None:
    """Not at the next round."""
    messages = [said(NETWORK, UUID(int=1), 1, 1)]
    machine = consumer(owned_by(messages))
    polled(machine, messages)
    machine.decide(0.1)
    machine.heard(c.Done(healed=True), 0.1)
    assert isinstance(machine.decide(0.1), c.Settle)


def test_between_two_rounds_of_settling_others_are_read() -> None:
    """However many keys may go on: a member that reads nothing is taken for dead."""
    machine = consumer({})
    machine.heard(c.Records(()), 0.0)
    assert isinstance(machine.decide(c.SETTLE_SECONDS), c.Settle)
    machine.heard(c.Done(healed=True), c.SETTLE_SECONDS)
    poll = machine.decide(c.SETTLE_SECONDS)
    assert isinstance(poll, c.Poll)
    assert poll.seconds <= c.SETTLE_ON_SECONDS
    machine.heard(c.Records(()), c.SETTLE_SECONDS + poll.seconds)
    assert isinstance(machine.decide(c.SETTLE_SECONDS + poll.seconds), c.Settle)
