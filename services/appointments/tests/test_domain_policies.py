"""Which policy applies to a visit, and how ready a visit is."""

from itertools import product
from uuid import UUID

import pytest

from services.appointments.domain.policies import Scoped, VisitPolicy, policy_for
from services.appointments.domain.readiness import preparations, score, way_of
from services.appointments.domain.requirement_values import CheckInPolicy, Item, State
from services.appointments.domain.status import Confirmation
from services.appointments.schemas.policies import PolicyMembers

HERE, THERE, VISIT, OTHER = (UUID(int=n) for n in range(1, 5))


def scoped(clinic: UUID | None, kind: UUID | None, cents: int) -> Scoped:
    members = PolicyMembers(balance_limit_cents=cents).model_dump(mode="json")
    return Scoped(clinic, kind, members)


ALL = (
    scoped(HERE, VISIT, 1), scoped(HERE, None, 2), scoped(None, VISIT, 3), scoped(None, None, 4),
)  # fmt: skip


@pytest.mark.parametrize(
    ("clinic", "kind", "cents"), [(HERE, VISIT, 1), (HERE, OTHER, 2), (THERE, VISIT, 3),
                                  (THERE, OTHER, 4)],
    ids=["clinic-and-kind", "clinic", "kind", "network"],
)  # fmt: skip
def test_the_nearest_policy_applies_whole(clinic: UUID, kind: UUID, cents: int) -> None:
    for entered in (ALL, ALL[::-1]):
        assert policy_for(entered, clinic, kind).check_in.balance_limit_cents == cents


def test_without_a_policy_the_default_applies() -> None:
    elsewhere = [one for one in ALL if one.clinic_id == HERE]
    assert policy_for(elsewhere, THERE, OTHER) == VisitPolicy()


def test_what_is_entered_without_a_word_is_the_default() -> None:
    members = PolicyMembers().model_dump(mode="json")
    assert policy_for([Scoped(None, None, members)], HERE, VISIT) == VisitPolicy()
    assert VisitPolicy().check_in == CheckInPolicy()


def test_the_score_is_the_share_that_is_not_open() -> None:
    met, waived, is_open = (Item("x", state, "") for state in (State.MET, State.WAIVED, State.OPEN))
    assert score([]) == 100
    for n, m in product(range(4), range(4)):
        if n + m:
            assert score([met] * n + [is_open] * m) == 100 * n // (n + m)
    assert score([met, waived]) == 100
    assert score([met] * 999 + [is_open]) == 99


def test_who_has_arrived_need_not_confirm() -> None:
    said, packet = preparations(Confirmation.SENT, packet_ready=True, arrived=False)
    assert (said.state, said.why, packet.state) == (State.OPEN, "sent", State.MET)
    (said, _) = preparations(Confirmation.SENT, packet_ready=False, arrived=True)
    assert (said.state, said.why) == (State.MET, "arrived")
    (said, packet) = preparations(Confirmation.CONFIRMED, packet_ready=False, arrived=False)
    assert (said.state, packet.state, packet.closers) == (State.MET, State.OPEN, ())


def test_what_no_route_closes_has_none() -> None:
    assert way_of("form.history") is None
    assert way_of("authorization") is None
    way = way_of("consent.treatment")
    assert way is not None
    assert way.service == "patients"
