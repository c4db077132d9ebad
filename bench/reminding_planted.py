"""Appointments with one fault each in its reminders: what `bench.reminding` must find.

    python -m bench.reminding --visits 500 --planted called_before_kept

They are run by that alone, in a process of their own.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.appointments import app as appointments
from services.appointments.clients import Messenger
from services.appointments.commands import sending
from services.appointments.domain.messages import Message
from services.appointments.domain.reminders import Channel
from services.appointments.errands import errands
from services.appointments.queries.reminders import reminder_facts
from services.appointments.queries.visits import visit
from services.appointments.tables import Appointment
from shared.db.errands import Errand, Errands, Intent
from shared.db.work import Work
from shared.web.service import Ports, Service


def called_before_kept() -> Service:
    """The call is made in the transaction that keeps `sending`, and so before it is kept."""
    made = errands

    def all_of_them(ports: Ports, messengers: Mapping[Channel, Messenger]) -> Errands:
        return {kind: _early(each) for kind, each in made(ports, messengers).items()}

    setattr(appointments, "errands", all_of_them)
    return appointments.service()


def _early(errand: Errand) -> Errand:
    prepare = errand.prepare
    assert prepare is not None

    async def prepare_and_call(work: Work, intent: Intent) -> Any:
        facts = await prepare(work, intent)
        await work.flush()
        return await errand.call(replace(intent, facts=facts))

    async def told(intent: Intent) -> Any:
        return intent.facts

    return replace(errand, prepare=prepare_and_call, call=told)


def judged_once() -> Service:
    """What was due is sent, whatever has become of the visit since."""
    setattr(sending, "_is_to_go", lambda *_: True)
    return appointments.service()


def nobody_calls() -> Service:
    """One of unknown outcome is not on the call list."""

    async def open_call(_work: Work, _visit: Appointment, _why: str) -> None:
        return None

    setattr(sending, "open_call", open_call)
    return appointments.service()


def sent_again() -> Service:
    """One that was being sent when its process died is sent once more."""
    begin = sending.begin

    async def begin_again(work: Work, reminder_id: UUID, code: str) -> Any:
        found = await begin(work, reminder_id, code)
        if found is None or isinstance(found, Message):
            return found
        row = await sending._reminder(work, reminder_id)
        visit_row = await visit(work, row.appointment_id)
        facts = await reminder_facts(work, visit_row)
        return sending._message(row, visit_row, facts, code)

    setattr(sending, "begin", begin_again)
    return appointments.service()


PLANTED = ("called_before_kept", "judged_once", "nobody_calls", "sent_again")
