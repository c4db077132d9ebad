"""What messages may come by, and the one address that a message needs."""

from uuid import UUID

from services.patients.domain.demographics import PhoneUse
from services.patients.domain.messages import MessageChannel
from services.patients.queries.people import current
from services.patients.tables import MessagePreference, Patient, PatientEmail, PatientPhone
from shared.db.work import Work


async def preference(work: Work, patient_id: UUID) -> MessagePreference | None:
    """What a patient chose; None where they chose nothing."""
    rows = await work.load_where(MessagePreference, "patient_id = $2", patient_id)
    return rows[0] if rows else None


async def contact_point(work: Work, patient: Patient, channel: MessageChannel) -> str | None:
    """The first address or number of a patient for a channel; None where there is none.

    A text goes to a mobile telephone alone. Nobody who died is reached.
    """
    if patient.death_date is not None:
        return None
    if channel is MessageChannel.EMAIL:
        emails = await current(work, PatientEmail, [patient.id])
        return emails[0].address if emails else None
    phones = await current(work, PatientPhone, [patient.id])
    mobile = [row for row in phones if row.use == PhoneUse.MOBILE]
    fitting = mobile if channel is MessageChannel.SMS else phones
    return fitting[0].number if fitting else None
