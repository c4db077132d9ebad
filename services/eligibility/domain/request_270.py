"""Values to a 270 (005010X279A1) that asks about one person on one day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from services.eligibility.domain.codes import PLAN
from services.eligibility.domain.names import as_sent
from services.eligibility.domain.question import Identity, Question
from shared.values.errors import Invalid
from shared.values.npi import is_npi
from shared.x12 import Address, Envelope, Interchange, Segment, made, segment

VERSION = "005010X279A1"
RELATIONSHIPS = {"spouse": "01", "child": "19", "other": "34"}
_LENGTHS = {"NM103": 60, "NM104": 35, "NM109": 80, "TRN02": 50, "REF02": 50}
Sex = Literal["F", "M"]


@dataclass(frozen=True, slots=True)
class Payer:
    """Whom we ask: name and payer id (NM108 PI)."""

    name: str
    payer_id: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who asks: an organisation and its NPI (NM108 XX)."""

    name: str
    npi: str


@dataclass(frozen=True, slots=True)
class Subscriber:
    """The holder of the policy, as on the card. birth_date: needed where they are the patient."""

    last_name: str
    first_name: str
    member_id: str
    birth_date: date | None
    sex: Sex | None = None
    group_number: str = ""


@dataclass(frozen=True, slots=True)
class Dependent:
    """The patient, where that is not the subscriber."""

    last_name: str
    first_name: str
    birth_date: date
    sex: Sex | None = None
    relationship: Literal["spouse", "child", "other"] | None = None


@dataclass(frozen=True, slots=True)
class Inquiry:
    """All that goes into one 270.

    service_date: the day of the visit where the clinic is. service_types: X12 code list 1365.
    trace: ours, unique, 50 characters at most; comes back in the answer (TRN02).
    originator: who gave the trace, ten characters (TRN03).
    sender_id, receiver_id: interchange addresses, 15 characters at most.
    control_number: 1 to 999,999,999. made_at: when it is written, aware.
    usage: ``P`` production, ``T`` test.
    """

    payer: Payer
    receiver: Receiver
    subscriber: Subscriber
    dependent: Dependent | None
    service_date: date
    trace: str
    originator: str
    control_number: int
    made_at: datetime
    sender_id: str
    receiver_id: str
    service_types: tuple[str, ...] = (PLAN,)
    usage: Literal["P", "T"] = "P"

    @property
    def question(self) -> Question:
        """What an answer is compared with."""
        holder, patient = self.subscriber, self.dependent
        subscriber = Identity(
            holder.last_name, holder.first_name, holder.birth_date, holder.member_id
        )
        dependent = None
        if patient is not None:
            dependent = Identity(patient.last_name, patient.first_name, patient.birth_date)
        return Question(
            trace=self.trace,
            originator=self.originator,
            reference=self.trace,
            subscriber=subscriber,
            dependent=dependent,
            service_date=self.service_date,
            service_types=self.service_types,
        )


def build_270(inquiry: Inquiry) -> Interchange:
    """The 270 of an inquiry.

    Raises Invalid: ``request.incomplete``, ``request.npi``, ``request.too_long``; and Unsendable
    where a value holds a delimiter or letters that X12 cannot carry. No error repeats a value.
    """
    _check(inquiry)
    envelope = Envelope(
        sender=Address(inquiry.sender_id),
        receiver=Address(inquiry.receiver_id),
        made_at=inquiry.made_at,
        control_number=inquiry.control_number,
        functional_id="HS",
        transaction="270",
        version=VERSION,
        usage=inquiry.usage,
    )
    return made(envelope, list(_body(inquiry)))


def _check(inquiry: Inquiry) -> None:
    holder, patient = inquiry.subscriber, inquiry.dependent
    whole = (
        as_sent(holder.member_id)
        and as_sent(holder.last_name)
        and (patient or holder).birth_date
        and (patient is None or as_sent(patient.first_name))
        and inquiry.service_types
        and inquiry.trace.strip()
        and len(inquiry.originator) == 10
        and as_sent(inquiry.payer.name)
        and inquiry.payer.payer_id.strip()
        and as_sent(inquiry.receiver.name)
    )
    if not whole:
        raise Invalid("request.incomplete", "Something that a 270 needs is missing.")
    if not is_npi(inquiry.receiver.npi):
        raise Invalid("request.npi", "The clinic's NPI is not one: its check digit is wrong.")


def _body(inquiry: Inquiry) -> Iterator[Segment]:
    at = inquiry.made_at.astimezone(UTC)
    holder, patient = inquiry.subscriber, inquiry.dependent
    yield segment(
        "BHT", "0022", "13", _fitting("TRN02", inquiry.trace), f"{at:%Y%m%d}", f"{at:%H%M}"
    )
    yield segment("HL", "1", "", "20", "1")
    yield _name("PR", "2", (inquiry.payer.name, ""), ("PI", inquiry.payer.payer_id))
    yield segment("HL", "2", "1", "21", "1")
    yield _name("1P", "2", (inquiry.receiver.name, ""), ("XX", inquiry.receiver.npi))
    yield segment("HL", "3", "2", "22", "1" if patient else "0")
    if patient is None:
        yield _trace(inquiry)
    yield _name("IL", "1", (holder.last_name, holder.first_name), ("MI", holder.member_id))
    if holder.group_number:
        yield segment("REF", "6P", _fitting("REF02", as_sent(holder.group_number)))
    if holder.birth_date:
        yield _demographics(holder.birth_date, holder.sex)
    if patient is not None:
        yield segment("HL", "4", "3", "23", "0")
        yield _trace(inquiry)
        yield _name(
            "03", "1", (patient.last_name or holder.last_name, patient.first_name), ("", "")
        )
        yield _demographics(patient.birth_date, patient.sex)
        if patient.relationship:
            yield segment("INS", "N", RELATIONSHIPS[patient.relationship])
    yield segment("DTP", "291", "D8", f"{inquiry.service_date:%Y%m%d}")
    yield segment("EQ", inquiry.service_types)


def _trace(inquiry: Inquiry) -> Segment:
    return segment("TRN", "1", inquiry.trace, inquiry.originator)


def _demographics(birth_date: date, sex: Sex | None) -> Segment:
    return segment("DMG", "D8", f"{birth_date:%Y%m%d}", sex or "")


def _name(entity: str, kind: str, names: tuple[str, str], identifier: tuple[str, str]) -> Segment:
    """An NM1: kind 1 is a person, 2 is not; last and first name; qualifier and identifier."""
    last, first = (as_sent(name) for name in names)
    qualifier, number = identifier
    return segment(
        "NM1",
        entity,
        kind,
        _fitting("NM103", last),
        _fitting("NM104", first),
        "",
        "",
        "",
        qualifier,
        _fitting("NM109", as_sent(number)),
    )


def _fitting(element: str, text: str) -> str:
    """The text itself. A value that is too long is refused: cut short it may name another."""
    if len(text) > _LENGTHS[element]:
        raise Invalid(
            "request.too_long", "A value is longer than X12 allows.", facts={"element": element}
        )
    return text
