"""The calls of eligibility to the outside: asking payers, with no transaction open."""

from collections.abc import Sequence

from services.eligibility.clients import PayerGateway
from services.eligibility.commands.asking import CHECK, patient_lock
from services.eligibility.commands.checks import Answer, note_sent, take_answer
from services.eligibility.domain.answers import NoAnswer, Rejected, judge
from services.eligibility.domain.question import read_270
from shared.db.errands import Errand, Errands, Intent, TryLater
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.x12 import parse

LASTING = frozenset({"certificate", "redirected", "too_large"})
"""What a second try within seconds will not mend."""
PAUSE_SECONDS = 1.0
BUSY_PAUSE_SECONDS = 2.0


def errands(gateway: PayerGateway, attempts_max: int) -> Errands:
    """The errands by a gateway that asks at most `attempts_max` times."""

    async def call(intent: Intent) -> Answer:
        """Ask. Silence and a payer that is busy are tried again; the last refusal is kept."""
        request: bytes = intent.facts
        received = await gateway.ask(request, key=str(intent.subject_id))
        if isinstance(received, NoAnswer):
            if received.reason in LASTING:
                return Answer(None, received)
            raise TryLater(received.reason, PAUSE_SECONDS)
        outcome = judge(read_270(parse(request)), received)
        if isinstance(outcome, Rejected) and outcome.retry and intent.attempts < attempts_max:
            raise TryLater(outcome.reason, BUSY_PAUSE_SECONDS)
        return Answer(received, outcome)

    return {
        CHECK: Errand(
            call=call,
            settle=settle,
            give_up=give_up,
            locks=locks,
            attempts_max=attempts_max,
            prepare=prepare,
        )
    }


async def prepare(work: Work, intent: Intent) -> bytes:
    """Note that the 270 goes out, and give it to the call."""
    return await note_sent(work, intent.subject_id)


async def settle(work: Work, intent: Intent, outcome: Answer) -> None:
    """Keep the answer."""
    await take_answer(work, intent.subject_id, outcome)


async def give_up(work: Work, intent: Intent, reason: str) -> None:
    """Nobody answered."""
    await take_answer(work, intent.subject_id, Answer(None, NoAnswer(reason)))


def locks(intent: Intent) -> Sequence[LockKey]:
    """What the functions above change: all that is kept of the patient."""
    return patient_lock(intent.body["patient_id"])
