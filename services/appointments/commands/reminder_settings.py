"""When and by what a clinic reminds."""

from uuid import UUID

from services.appointments.domain.reminders import ReminderPolicy
from services.appointments.queries.reminders import settings_of
from services.appointments.tables import ReminderSettings
from shared.db.work import Work
from shared.values.errors import Invalid


async def set_reminders(work: Work, clinic_id: UUID, policy: ReminderPolicy) -> ReminderSettings:
    """Keep what a clinic asks for. Plans that are made from now on go by it, those that stand when
    they come to be looked at next. Raises Invalid ``reminders.repeated``."""
    minutes = [int(lead.total_seconds()) // 60 for lead in policy.leads]
    channels = [channel.value for channel in policy.channels]
    for name, given in (("lead_minutes", minutes), ("channels", channels)):
        if len(set(given)) != len(given):
            raise Invalid("reminders.repeated", "Something is named twice.", pointer=f"/{name}")
    row = await settings_of(work, clinic_id)
    if row is None:
        return work.create(
            ReminderSettings,
            network_id=work.network_id,
            clinic_id=clinic_id,
            lead_minutes=minutes,
            channels=channels,
            quiet_from=policy.quiet_from,
            quiet_until=policy.quiet_until,
        )
    row.lead_minutes, row.channels = minutes, channels
    row.quiet_from, row.quiet_until = policy.quiet_from, policy.quiet_until
    work.save(row)
    return row
