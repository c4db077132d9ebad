"""Routes of templates, exceptions, clinic hours and credentials."""

from collections.abc import Sequence
from typing import Any

from services.appointments.api.routes import ROUTES
from services.appointments.commands import credentials, schedules, setup
from services.appointments.domain.clinic_hours import Holiday, OpenHours
from services.appointments.schemas.credentials import (
    AddCredential,
    CredentialList,
    CredentialPolicyView,
    CredentialView,
    SetCredentialPolicy,
)
from services.appointments.schemas.schedules import (
    AddException,
    AddSchedule,
    ChangeSchedule,
    ClinicHoursView,
    EndOn,
    ExceptionList,
    ExceptionView,
    ScheduleList,
    ScheduleView,
    SetClinicHours,
)
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, created

BAD_HOURS = (
    "schedule.reversed", "schedule.time", "schedule.anchor", "schedule.nth", "schedule.effective",
    "provider.not_found",
)  # fmt: skip


def _provider_lock(call: Call[Any]) -> Sequence[LockKey]:
    return schedules.provider_lock(call.id("provider_id"))


@ROUTES.post(
    "/v1/providers/{provider_id}/schedules",
    may=May.CLINIC_WRITE,
    body=AddSchedule,
    reply=ScheduleView,
    status=201,
    refuses=BAD_HOURS,
    locks=_provider_lock,
)
async def add_schedule(work: Work, call: Call[AddSchedule]) -> Reply:
    """Enter hours of a provider on a weekday."""
    hours = schedules.Hours(**call.given.model_dump())
    row = await schedules.add_schedule(work, call.id("provider_id"), hours)
    return created(ScheduleView.of(row), f"/v1/schedules/{row.id}")


@ROUTES.get("/v1/providers/{provider_id}/schedules", may=May.CLINIC_READ, reply=ScheduleList)
async def list_schedules(work: Work, call: Call[None]) -> Reply:
    """The hours of a provider at the clinics that the caller may know of."""
    rows = await schedules.schedules_of(work, call.id("provider_id"))
    return Reply(ScheduleList(items=[ScheduleView.of(row) for row in rows]))


async def _schedule_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await schedules.schedule_locks(work, call.id("schedule_id"))


@ROUTES.post(
    "/v1/schedules/{schedule_id}/end",
    may=May.CLINIC_WRITE,
    body=EndOn,
    reply=ScheduleView,
    refuses=("schedule.past", "schedule.ended"),
    locks_read=_schedule_locks,
)
async def end_schedule(work: Work, call: Call[EndOn]) -> Reply:
    """Let hours end. What has been stays; what has not begun by then is called off."""
    row = await schedules.end_schedule(work, call.id("schedule_id"), call.given.last_day)
    return Reply(ScheduleView.of(row))


@ROUTES.post(
    "/v1/schedules/{schedule_id}/change",
    may=May.CLINIC_WRITE,
    body=ChangeSchedule,
    reply=ScheduleView,
    status=201,
    refuses=("schedule.past", "schedule.ended", *BAD_HOURS),
    locks_read=_schedule_locks,
)
async def change_schedule(work: Work, call: Call[ChangeSchedule]) -> Reply:
    """Let hours be others from a day on: the old ones end the day before."""
    row = await schedules.change_schedule(
        work, call.id("schedule_id"), call.given.first_day, call.given.changed()
    )
    return created(ScheduleView.of(row), f"/v1/schedules/{row.id}")


@ROUTES.post(
    "/v1/providers/{provider_id}/exceptions",
    may=May.CLINIC_WRITE,
    body=AddException,
    reply=ExceptionView,
    status=201,
    refuses=("exception.days", "exception.hours", "schedule.reversed", "provider.not_found"),
    locks=_provider_lock,
)
async def add_exception(work: Work, call: Call[AddException]) -> Reply:
    """Enter days on which a provider is away, or in at other hours."""
    row = await schedules.add_exception(work, call.id("provider_id"), call.given.model_dump())
    return created(ExceptionView.of(row), f"/v1/exceptions/{row.id}")


@ROUTES.get("/v1/providers/{provider_id}/exceptions", may=May.CLINIC_READ, reply=ExceptionList)
async def list_exceptions(work: Work, call: Call[None]) -> Reply:
    """Days on which a provider's hours differ."""
    rows = await schedules.exceptions_of(work, call.id("provider_id"))
    return Reply(ExceptionList(items=[ExceptionView.of(row) for row in rows]))


async def _exception_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await schedules.exception_locks(work, call.id("exception_id"))


@ROUTES.post(
    "/v1/exceptions/{exception_id}/withdraw",
    may=May.CLINIC_WRITE,
    reply=ExceptionView,
    locks_read=_exception_locks,
)
async def withdraw_exception(work: Work, call: Call[None]) -> Reply:
    """Take an exception back."""
    return Reply(
        ExceptionView.of(await schedules.withdraw_exception(work, call.id("exception_id")))
    )


@ROUTES.get("/v1/clinics/{clinic_id}/hours", may=May.CLINIC_READ, reply=ClinicHoursView)
async def read_clinic_hours(work: Work, call: Call[None]) -> Reply:
    """A clinic's hours and holidays."""
    row = await setup.clinic(work, call.id("clinic_id"))
    return Reply(ClinicHoursView.of(row), version=row.version)


@ROUTES.put(
    "/v1/clinics/{clinic_id}/hours",
    may=May.CLINIC_WRITE,
    body=SetClinicHours,
    reply=ClinicHoursView,
    versioned=True,
    refuses=("schedule.reversed", "schedule.time", "holiday.twice", "holiday.hours"),
)
async def set_clinic_hours(work: Work, call: Call[SetClinicHours]) -> Reply:
    """Replace a clinic's hours and holidays; outside of them nothing is offered or booked."""
    given = call.given
    row = await schedules.set_clinic_hours(
        work,
        call.id("clinic_id"),
        [OpenHours(**item.model_dump()) for item in given.hours],
        [Holiday(**item.model_dump()) for item in given.holidays],
        call.if_match,
    )
    await work.flush()
    return Reply(ClinicHoursView.of(row), version=row.version)


@ROUTES.post(
    "/v1/providers/{provider_id}/credentials",
    may=May.CLINIC_WRITE,
    body=AddCredential,
    reply=CredentialView,
    status=201,
    refuses=("credential.days", "credential.known", "provider.not_found"),
    locks=_provider_lock,
)
async def add_credential(work: Work, call: Call[AddCredential]) -> Reply:
    """Enter what a provider may practise by."""
    row = await credentials.add_credential(work, call.id("provider_id"), call.given.model_dump())
    return created(CredentialView.of(row), f"/v1/credentials/{row.id}")


@ROUTES.get("/v1/providers/{provider_id}/credentials", may=May.CLINIC_WRITE, reply=CredentialList)
async def list_credentials(work: Work, call: Call[None]) -> Reply:
    """What a provider may practise by."""
    rows = await credentials.credentials_of(work, call.id("provider_id"))
    return Reply(CredentialList(items=[CredentialView.of(row) for row in rows]))


async def _credential_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await credentials.credential_locks(work, call.id("credential_id"))


@ROUTES.post(
    "/v1/credentials/{credential_id}/end",
    may=May.CLINIC_WRITE,
    body=EndOn,
    reply=CredentialView,
    refuses=("credential.days",),
    locks_read=_credential_locks,
)
async def end_credential(work: Work, call: Call[EndOn]) -> Reply:
    """Let a credential end after a day."""
    row = await credentials.end_credential(work, call.id("credential_id"), call.given.last_day)
    return Reply(CredentialView.of(row))


@ROUTES.put(
    "/v1/clinics/{clinic_id}/credential-policy",
    may=May.CLINIC_WRITE,
    body=SetCredentialPolicy,
    reply=CredentialPolicyView,
    refuses=("credential.policy",),
)
async def set_credential_policy(work: Work, call: Call[SetCredentialPolicy]) -> Reply:
    """Say what a clinic asks of who works there: on a day without it nobody is booked."""
    row = await credentials.set_credential_policy(
        work, call.id("clinic_id"), call.given.kind, call.given.region
    )
    await work.flush()
    return Reply(CredentialPolicyView.of(row), version=row.version)
