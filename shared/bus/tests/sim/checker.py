"""What must hold once everything has healed."""

from typing import TYPE_CHECKING

from shared.bus.tests.sim.beta import subject_of
from shared.bus.tests.sim.truth import Subject, Violation
from shared.contracts.envelope import envelope_of

if TYPE_CHECKING:
    from shared.bus.tests.sim.world import World


def rest_of(world: "World") -> list[str]:
    """What there still is to do; empty once everything is at rest."""
    alpha, beta = world.alpha, world.beta
    rest = []
    if alpha.open or beta.open:
        rest.append("open transactions")
    if alpha.outbox and alpha.cursor < alpha.outbox[-1].row.cursor:
        rest.append(f"the relay stands at {alpha.cursor}")
    behind = [at for at, end in world.log.ends().items() if beta.rows.get(("offset", at)) != end]
    if behind:
        rest.append(f"unread: {behind[:3]}")
    if any(("outcome", each.number) not in beta.rows for each in beta.asked):
        rest.append("asked for and not done")
    for owner, kind in beta.waiting().items():
        stop = world.truth.stops_at(subject_of(owner))
        if kind != "poison" or stop != next(iter(beta.held(None, owner)), 0):
            rest.append(f"{subject_of(owner)} waits as {kind}, and not for {stop}")
    if world.truth.history_lost and not world.operators.healed:
        rest.append("to be sent again")
    return rest


def check(world: "World") -> None:
    """Compare what came of it with what was said. Raises Violation."""
    truth = world.truth
    for subject in sorted(truth.said.keys() | truth.effects.keys()):
        _check_subject(world, subject)
    _check_log(world)
    if not truth.history_lost:
        kept = {(*row[1], value) for row, value in world.beta.rows.items() if row[0] == "unread"}
        if kept != truth.junk:
            raise Violation(f"{len(truth.junk)} unreadable records, {len(kept)} kept")


def _check_subject(world: "World", subject: Subject) -> None:
    truth, beta = world.truth, world.beta
    expected, effects = truth.expected(subject), truth.effects.get(subject, [])
    if expected != effects:
        raise Violation(
            f"{subject}: {[e.seq for e in effects]} took effect, not {[e.seq for e in expected]}"
        )
    last, stop = len(truth.said[subject]), truth.stops_at(subject)
    owner = (subject[0], (world.topic, subject[1]))
    applied = beta.rows.get(("applied", owner), 0)
    if applied != (last if stop is None else stop - 1):
        raise Violation(f"{subject}: heard to {applied} of {last}, stopped at {stop}")
    waits = beta.rows.get(("parked", owner))
    if waits != (None if stop is None else "poison"):
        raise Violation(f"{subject}: parked as {waits}, stopped at {stop}")
    held = list(beta.held(None, owner))
    if held != (list(range(stop, last + 1)) if stop is not None else []):
        raise Violation(f"{subject}: {held} are held, of {last}, stopped at {stop}")


def _check_log(world: "World") -> None:
    there = set[str]()
    for partition in world.log.partitions.values():
        for record in partition.records:
            if record.headers:
                there.add(str(envelope_of(record.headers).id))
    if there != world.truth.by_id.keys():
        missing = len(world.truth.by_id.keys() - there)
        raise Violation(f"the topic lacks {missing} rows of the outbox")
