"""What was asked: enough to tell whether an answer is about the same person."""

from dataclasses import dataclass
from datetime import date

from services.eligibility.domain.loop_tables import TABLE_270
from shared.x12 import Interchange, Node, Segment, X12Error, read_date, read_loops, read_period


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as a 270 or 271 names them. Empty or None where it says nothing."""

    last_name: str = ""
    first_name: str = ""
    birth_date: date | None = None
    member_id: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A 270 in short.

    trace: TRN02, with who gave it (TRN03). reference: BHT03.
    subscriber: whose policy it is. dependent: the patient, where that is somebody else.
    service_date: the day asked about, or None where the 270 leaves it to the payer (today).
    """

    trace: str
    originator: str
    reference: str
    subscriber: Identity
    dependent: Identity | None
    service_date: date | None
    service_types: tuple[str, ...]

    @property
    def patient(self) -> Identity:
        """The person whose benefits were asked for."""
        return self.dependent or self.subscriber


def read_identity(name_loop: Node) -> Identity:
    """The person of a 2100C or 2100D loop. Raises X12Error ``x12.date`` for a bad birth date."""
    name = name_loop.segments[0]
    birth = name_loop.one("DMG")
    return Identity(
        last_name=name.get(3),
        first_name=name.get(4),
        birth_date=_birth_date(birth),
        member_id=name.get(9) if name.get(8) in {"MI", "II"} else "",
    )


def _birth_date(demographics: Segment | None) -> date | None:
    if demographics is None or not demographics.get(2):
        return None
    return read_date(demographics.get(2), demographics.position)


def read_270(interchange: Interchange) -> Question:
    """The question of a 270 about one person.

    Raises X12Error: ``question.not_a_270``, ``question.no_subscriber``, and those of the syntax.
    """
    transactions = interchange.transactions
    if [held.code for held in transactions] != ["270"]:
        raise X12Error("question.not_a_270", title="It is not one 270 transaction set.")
    tree = read_loops(transactions[0].body, TABLE_270)
    levels = _path(tree, "2000A", "2000B", "2000C")
    subscriber = levels.first("2100C") if levels else None
    if levels is None or subscriber is None:
        raise X12Error("question.no_subscriber", title="The 270 names no subscriber.")
    dependent_level = levels.first("2000D")
    dependent = dependent_level.first("2100D") if dependent_level else None
    patient = dependent or subscriber
    trace = next((level.one("TRN") for level in (dependent_level, levels) if level), None)
    beginning = tree.one("BHT")
    return Question(
        trace=trace.get(2) if trace else "",
        originator=trace.get(3) if trace else "",
        reference=beginning.get(3) if beginning else "",
        subscriber=read_identity(subscriber),
        dependent=read_identity(dependent) if dependent else None,
        service_date=_service_date(patient),
        service_types=_service_types(patient, interchange),
    )


def _path(node: Node | None, *names: str) -> Node | None:
    for name in names:
        node = node.first(name) if node else None
    return node


def _service_date(patient: Node) -> date | None:
    for segment in patient.having("DTP"):
        if segment.get(1) == "291":
            return read_period(segment.get(2), segment.get(3), segment.position).start
    return None


def _service_types(patient: Node, interchange: Interchange) -> tuple[str, ...]:
    asked = (child.segments[0].get(1) for child in patient.children if child.loop.starts == "EQ")
    return tuple(code for text in asked for code in interchange.delimiters.repeats(text))
