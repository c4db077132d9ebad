"""A small rush on few slots while the API is killed; the long one is `make race`."""

from collections.abc import Iterator
from copy import deepcopy

import pytest

from bench.rush import OVERLAPS, problems, rushed
from bench.rush_clients import Told
from bench.stage import Stage, stage

CALLS, KILLS, SEED = 250, 2, 7


@pytest.fixture(scope="module")
def made() -> Iterator[Stage]:
    """A server, a network and an issuer."""
    with stage(durable=False) as found:
        yield found


@pytest.mark.timeout(240)
def test_nothing_is_booked_twice_and_what_was_acknowledged_is_there(made: Stage) -> None:
    """And where it were not so, it would be found."""
    told, kills = rushed(made, CALLS, KILLS, SEED)
    assert kills == KILLS
    assert told.broken > 0
    assert {status for status in told.answers if status >= 500} == set()
    assert made.ask(OVERLAPS)[0]["n"] == 0
    assert problems(made, told) == []
    assert sum(n for deed, n in told.deeds.items() if deed.endswith("2xx")) > CALLS // 10
    finds_what_is_wrong(made, told)


def finds_what_is_wrong(made: Stage, told: Told) -> None:
    """Plant one violation after the other, and see it named."""
    booked = next(k for k, v in told.visits.items() if v["lifecycle"] == "booked")
    forgotten, late, lost = (deepcopy(told) for _ in range(3))
    del forgotten.visits[booked]
    assert problems(made, forgotten) == [f"visit {booked} is there, and nobody was told"]
    late.visits[booked]["version"] += 1
    (found,) = problems(made, late)
    assert found.startswith(f"visit {booked} was said to be")
    nowhere = booked[:-1] + ("0" if booked[-1] != "0" else "1")
    lost.visits[nowhere] = {**told.visits[booked], "id": nowhere}
    assert problems(made, lost) == [f"visit {nowhere} was acknowledged and is not there"]
    of_it = f"appointment_id = '{booked}' AND resource_kind = 'provider'"
    made.ask(f"UPDATE occupancies SET active = false WHERE {of_it}")
    assert problems(made, told) == [f"visit {booked} (booked) occupies 2 rows"]
    made.ask(f"UPDATE occupancies SET active = true WHERE {of_it}")
    # Without the constraint the same time can be there twice: the query sees it.
    made.ask("ALTER TABLE occupancies DROP CONSTRAINT occupancies_never_twice")
    copied = "network_id, resource_kind, resource_id, lane, starts_at, ends_at, active"
    made.ask(
        f"INSERT INTO occupancies (id, {copied})"
        f" SELECT gen_random_uuid(), {copied} FROM occupancies WHERE {of_it} AND active"
    )
    assert made.ask(OVERLAPS)[0]["n"] == 1
