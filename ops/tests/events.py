"""Events made by hand, for tests of what follows the bus."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.bus.port import Message
from shared.contracts.appointments import AppointmentBooked
from shared.contracts.envelope import Envelope, headers_of
from shared.contracts.partition import partition_of
from shared.values.ids import new_id

TOPIC = AppointmentBooked.topic()
SECRET = b'{"secret":"8f14e45f"}'


def booked(
    number: int = 1, *, network: UUID, clinic: UUID | None = None, key: UUID | None = None,
    **more: Any,
) -> Message:  # fmt: skip
    """A message whose value says SECRET: it must be seen nowhere."""
    event = AppointmentBooked.example().model_copy(update={"appointment_id": key or new_id()})
    envelope = Envelope(
        **{
            "id": new_id(),
            "type": AppointmentBooked.wire_type(),
            "source": "/clinicbus/appointments",
            "subject": event.subject,
            "time": datetime(2026, 11, 5, 17, 0, number, 250_000, tzinfo=UTC),
            "subject_seq": number,
            "network_id": network,
            "actor": "person/dana",
            "correlation_id": new_id(),
            "causation_id": None,
            "clinic_id": clinic,
            "traceparent": None,
            **more,
        }
    )
    name = str(event.appointment_id)
    return Message(TOPIC, name, partition_of(name), headers_of(envelope, event), SECRET)
