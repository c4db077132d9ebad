"""What messages may come by: chosen at the desk, or stopped by an answer to one."""

from collections.abc import Sequence
from uuid import UUID

from services.patients import events
from services.patients.domain.messages import MessageChannel, checked_channels, without
from services.patients.queries.messages import preference
from services.patients.queries.people import person
from services.patients.tables import MessagePreference, Patient
from shared.db.work import Work
from shared.values.zones import zone


async def prefer(
    work: Work, patient_id: UUID, channels: Sequence[MessageChannel], time_zone: str | None
) -> MessagePreference:
    """Keep what a patient wants. Raises NotFound; Invalid ``channels.repeated`` and
    ``time.zone_unknown``."""
    wanted = checked_channels(channels)
    if time_zone is not None:
        zone(time_zone)
    return await _keep(work, await person(work, patient_id), wanted, time_zone)


async def stop(work: Work, patient_id: UUID, channel: MessageChannel) -> None:
    """No more messages by a channel. One that was stopped already stays so, and nothing is said."""
    patient = await work.load(Patient, patient_id)
    if patient is None:
        return
    before = await preference(work, patient_id)
    chosen = None if before is None else tuple(map(MessageChannel, before.channels))
    if chosen is None or channel in chosen:
        left = without(chosen, channel)
        await _keep(work, patient, left, None if before is None else before.time_zone)


async def _keep(
    work: Work, patient: Patient, channels: Sequence[MessageChannel], time_zone: str | None
) -> MessagePreference:
    row = await preference(work, patient.id)
    if row is None:
        row = MessagePreference(
            network_id=work.network_id,
            patient_id=patient.id,
            channels=[],
            preferred_at=work.now,
            preferred_by=str(work.actor),
        )
        work.add(row)
    row.channels, row.time_zone = [channel.value for channel in channels], time_zone
    row.preferred_at, row.preferred_by = work.now, str(work.actor)
    work.save(row)
    work.save(patient)
    work.say(events.messages_preferred(row), of=patient)
    return row
