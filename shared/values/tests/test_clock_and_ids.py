"""A clock that stands still, and ids that sort or repeat."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from shared.values.clock import Clock, FixedClock
from shared.values.ids import derived_id, new_id


def test_a_fixed_clock_stands_until_it_is_moved() -> None:
    clock = FixedClock(datetime(2027, 3, 1, 9, tzinfo=timezone(timedelta(hours=-7))))
    port: Clock = clock
    assert port.now() == port.now() == datetime(2027, 3, 1, 16, tzinfo=UTC)
    assert port.now().tzinfo is UTC
    assert clock.move(timedelta(minutes=5)) == port.now() == datetime(2027, 3, 1, 16, 5, tzinfo=UTC)


def test_a_clock_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        FixedClock(datetime(2027, 3, 1))  # noqa: DTZ001


def test_new_ids_are_version_seven_and_sort_in_the_order_of_making() -> None:
    made = [new_id() for _ in range(200)]
    assert all(type(one) is UUID and one.version == 7 for one in made)
    assert made == sorted(set(made))


def test_a_derived_id_is_the_same_for_the_same_event_and_role() -> None:
    event, other = new_id(), new_id()
    assert derived_id(event, "charge") == derived_id(event, "charge")
    assert derived_id(event, "charge").version == 5
    ids = {derived_id(one, role) for one in (event, other) for role in ("charge", "receipt")}
    assert len(ids) == 4
