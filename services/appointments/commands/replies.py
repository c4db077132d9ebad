"""An answer to a reminder: it changes the confirmation, and nothing else of the visit."""

from collections.abc import Sequence

from services.appointments import events
from services.appointments.commands.booking import confirm, decline
from services.appointments.commands.calls import open_call
from services.appointments.commands.reminders import plan_anew_of, tell
from services.appointments.commands.sending import sending_locks
from services.appointments.commands.statuses import set_statuses, statuses_of
from services.appointments.domain.replies import Answer, Answered, decide_answer, read_answer
from services.appointments.domain.status import Move
from services.appointments.queries.reminders import reminder_by_code
from services.appointments.queries.visits import visit
from services.appointments.tables import Appointment, ChannelStop, Reminder
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import NotFound


async def answer_locks(work: Work, code: str) -> Sequence[LockKey]:
    """What an answer changes: the visit, and what its patient lets in."""
    row = await reminder_by_code(work, code)
    return () if row is None else sending_locks(row.appointment_id, row.patient_id)


async def answer(work: Work, code: str, text: str) -> tuple[Reminder, Answered]:
    """Take an answer under the code that a message named. Its words are read and not kept.

    Raises NotFound ``reminder.code_unknown``.
    """
    row = await reminder_by_code(work, code)
    if row is None:
        raise NotFound("reminder.code_unknown", "No message has this code.")
    visit_row = await visit(work, row.appointment_id)
    given = read_answer(text, code)
    decided = decide_answer(
        given,
        Answer(row.answer) if row.answer else None,
        statuses_of(visit_row),
        begun=work.now >= visit_row.starts_at,
        moved=row.move != visit_row.moves,
    )
    if row.answer is None or decided.stop:
        row.answer, row.answered_at = given.value, work.now
        work.save(row)
    if decided.move is Move.CONFIRM:
        await confirm(work, visit_row.id)
    elif decided.move is Move.DECLINE:
        await decline(work, visit_row.id)
    elif decided.move is not None:
        set_statuses(visit_row, statuses_of(visit_row).moved(decided.move))
        work.save(visit_row)
    if decided.stop:
        await _stop(work, visit_row, row)
    if decided.call is not None:
        await open_call(work, visit_row, decided.call)
    return row, decided


async def _stop(work: Work, visit_row: Appointment, row: Reminder) -> None:
    """No more messages by this channel, from this moment; the patients service is told."""
    where = "patient_id = $2 AND channel = $3"
    stops = await work.load_where(ChannelStop, where, row.patient_id, row.channel)
    if stops:
        stops[0].stopped_at = work.now
        work.save(stops[0])
    else:
        work.create(
            ChannelStop,
            network_id=work.network_id,
            patient_id=row.patient_id,
            channel=row.channel,
            stopped_at=work.now,
        )
    tell(work, visit_row, [events.messages_stopped(visit_row, row, work.now)])
    await plan_anew_of(work, row.patient_id)
