"""How ready a visit is: a score, and what is open with who can close it and where.

What check-in asks for counts, and two things that check-in does not wait for: that the patient said
they will come, and that the chart packet is there. Each counts the same; 100 means nothing is open.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from services.appointments.domain.requirement_values import Closer, Item, State
from services.appointments.domain.status import Confirmation

FULL = 100


@dataclass(frozen=True, slots=True)
class Way:
    """Where something is closed: a service and the path of a POST there."""

    service: str
    path: str


_WAYS = {
    "identity": Way("patients", "/v1/patients/{patient_id}/verifications"),
    "identity_document": Way(
        "appointments", "/v1/appointments/{appointment_id}/requirement-checks"
    ),
    "demographics": Way("patients", "/v1/patients/{patient_id}/verifications"),
    "cover": Way("eligibility", "/v1/coverages"),
    "consent": Way("patients", "/v1/patients/{patient_id}/consents"),
    "copay": Way("payments", "/v1/payments"),
    "balance": Way("payments", "/v1/payments"),
    "confirmation": Way("appointments", "/v1/appointments/{appointment_id}/confirm"),
}


def preparations(
    confirmation: Confirmation, *, packet_ready: bool, arrived: bool
) -> tuple[Item, Item]:
    """What is prepared besides: check-in does not wait for it. Who is here need not confirm."""
    said = confirmation is Confirmation.CONFIRMED or arrived
    return (
        Item("confirmation", State.MET, "confirmed" if not arrived else "arrived")
        if said
        else Item(
            "confirmation", State.OPEN, confirmation.value, (Closer.PATIENT, Closer.FRONT_DESK)
        ),
        Item("chart_packet", State.MET, "ready")
        if packet_ready
        # It is made by the clock, a day ahead; nobody has to do anything.
        else Item("chart_packet", State.OPEN, "not_made_yet"),
    )


def score(items: Iterable[Item]) -> int:
    """The share of the items that are not open, 0 to 100, rounded down. Nothing asked is 100."""
    states = [item.state for item in items]
    if not states:
        return FULL
    return FULL * sum(state is not State.OPEN for state in states) // len(states)


def way_of(code: str) -> Way | None:
    """Where an open item is closed; None where no route of ours does."""
    return _WAYS.get(code.partition(".")[0])
