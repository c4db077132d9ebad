"""Break-glass: how long, and who looks at it."""

from datetime import UTC, datetime, timedelta

import pytest

from services.patients.domain.emergency import decide_review, expires_at, is_open, is_overdue
from shared.values.errors import Conflict, Forbidden

AT = datetime(2026, 11, 23, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_it_is_open_for_sixty_minutes_to_the_second() -> None:
    assert expires_at(AT) == AT + timedelta(minutes=60)
    assert is_open(AT, AT)
    assert is_open(AT, expires_at(AT) - SECOND)
    assert not is_open(AT, expires_at(AT))


def test_its_review_is_overdue_after_three_days_unless_it_was() -> None:
    due = AT + timedelta(hours=72)
    assert not is_overdue(AT, None, due)
    assert is_overdue(AT, None, due + SECOND)
    assert not is_overdue(AT, AT + SECOND, due + SECOND)


def test_it_is_reviewed_once_and_by_somebody_else() -> None:
    decide_review("person/a", "person/b", None)
    with pytest.raises(Forbidden, match=r"emergency_access\.own_review"):
        decide_review("person/a", "person/a", None)
    with pytest.raises(Conflict, match=r"emergency_access\.already_reviewed"):
        decide_review("person/a", "person/b", AT)
