"""A 270's bytes to a 271's bytes.

The 270 is read segment by segment, without the tables of the eligibility service, so that the two
check each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from ops.payer_simulator.behaviour import Behaviour, Plan
from shared.x12 import (
    Address,
    Delimiters,
    Envelope,
    Interchange,
    Segment,
    X12Error,
    made,
    parse,
    read_period,
    segment,
)

VERSION = "005010X279A1"
_AT_SOURCE = frozenset({"42", "79", "80", "04"})
_AT_RECEIVER = frozenset({"41", "43", "44", "45", "46", "47", "48", "50", "51", "97"})
_FOLLOW_UP = {"42": "R", "80": "R"}
_OTHER_PERSON = ("IL", "1", "ELSEWHERE", "SOMEBODY", "", "", "", "MI", "999999999")


class NotA270(Exception):
    """It is X12, but not a 270 about one person."""


@dataclass(slots=True)
class Asked:
    """A 270 about one person, by its segments. Level 20 is the payer, 23 a dependent."""

    interchange: Interchange
    levels: dict[str, dict[str, Segment]] = field(default_factory=dict)

    @property
    def delimiters(self) -> Delimiters:
        """The asker's delimiters; the answer uses them too."""
        return self.interchange.delimiters

    def of(self, level: str, name: str) -> Segment:
        """A segment of a level; an empty one where there is none."""
        return self.levels.get(level, {}).get(name, Segment(name))

    @property
    def patient_level(self) -> str:
        """``23`` where a dependent was asked about, else ``22``."""
        return "23" if "23" in self.levels else "22"

    @property
    def member_id(self) -> str:
        """NM109 of the subscriber."""
        return self.of("22", "NM1").get(9)

    @property
    def trace(self) -> Segment:
        """The TRN segment."""
        return self.of(self.patient_level, "TRN")

    @property
    def service_date(self) -> date:
        """The day asked about, or the day on which it was asked."""
        stated = self.of(self.patient_level, "DTP")
        if stated.get(3):
            return read_period(stated.get(2), stated.get(3), stated.position).start
        return self.made_at.date()

    @property
    def made_at(self) -> datetime:
        """BHT04 and BHT05."""
        beginning = self.of("", "BHT")
        try:
            return datetime.strptime(beginning.get(4) + beginning.get(5)[:4], "%Y%m%d%H%M").replace(
                tzinfo=UTC
            )
        except ValueError as error:
            raise X12Error("x12.date", beginning.position) from error


def read_request(data: bytes) -> Asked:
    """The 270 in `data`. Raises X12Error where it cannot be read, NotA270 where it is none."""
    interchange = parse(data)
    if [held.code for held in interchange.transactions] != ["270"]:
        raise NotA270
    asked = Asked(interchange)
    level = ""
    for part in interchange.transactions[0].body:
        if part.id == "HL":
            level = part.get(3)
        asked.levels.setdefault(level, {}).setdefault(part.id, replace(part, tail=""))
    number = interchange.control_number
    if not (number.isascii() and number.isdecimal()):
        raise NotA270
    if not asked.member_id or not asked.of("20", "NM1").elements:
        raise NotA270
    return asked


def answer_to(asked: Asked, behaviour: Behaviour) -> bytes:
    """The bytes that a payer of this behaviour sends. The same request gets the same bytes."""
    if behaviour.kind == "acknowledged":
        return _interchange(asked, list(_acknowledgement(asked)), "FA", "999").to_bytes()
    answer = _interchange(asked, list(_body(asked, behaviour)), "HB", "271")
    data = answer.to_bytes()
    if behaviour.kind in {"truncated", "cut"}:
        return data[: len(data) * 3 // 5]
    if behaviour.kind == "count_lies":
        return _with_a_lie(answer)
    return data


def _interchange(
    asked: Asked, body: list[Segment], functional_id: str, transaction: str
) -> Interchange:
    header = asked.interchange.header
    envelope = Envelope(
        sender=Address(header.get(8).strip(), header.get(7)),
        receiver=Address(header.get(6).strip(), header.get(5)),
        made_at=asked.made_at,
        control_number=int(header.get(13)),
        functional_id=functional_id,
        transaction=transaction,
        version="005010X231A1" if transaction == "999" else VERSION,
        usage=header.get(15),
        delimiters=asked.delimiters,
    )
    return made(envelope, body)


def _with_a_lie(answer: Interchange) -> bytes:
    """The answer with SE01 one too high."""
    trailer = answer.transactions[0].trailer
    lie = Segment(trailer.id, (str(int(trailer.get(1)) + 1), trailer.get(2)), trailer.tail)
    parts = (lie if part == trailer else part for part in answer.segments)
    return "".join(part.text(answer.delimiters) for part in parts).encode()


def _acknowledgement(asked: Asked) -> Iterator[Segment]:
    group = asked.interchange.groups[0].header
    yield _part(asked, "AK1", group.get(1), group.get(6), group.get(8))
    yield _part(asked, "AK9", "A", "1", "1", "1")


def _part(asked: Asked, name: str, *elements: str | tuple[str, ...]) -> Segment:
    return segment(name, *elements, delimiters=asked.delimiters)


def _body(asked: Asked, behaviour: Behaviour) -> Iterator[Segment]:
    """BHT to the last segment before SE. A refusal ends the answer at the level it stands in."""
    beginning = asked.of("", "BHT")
    refused = behaviour.code if behaviour.kind == "rejected" else ""
    yield _part(asked, "BHT", "0022", "11", *beginning.elements[2:5])
    yield _part(asked, "HL", "1", "", "20", "0" if refused in _AT_SOURCE else "1")
    if refused in _AT_SOURCE:
        yield _refusal(asked, "Y", refused)
        return
    yield asked.of("20", "NM1")
    yield _part(asked, "HL", "2", "1", "21", "0" if refused in _AT_RECEIVER else "1")
    yield asked.of("21", "NM1")
    if refused in _AT_RECEIVER:
        yield _refusal(asked, "N", refused)
        return
    yield from _person(asked, behaviour, refused)
    if not refused:
        yield from _benefits(asked, behaviour)


def _refusal(asked: Asked, valid: str, code: str) -> Segment:
    return _part(asked, "AAA", valid, "", code, _FOLLOW_UP.get(code, "C"))


def _person(asked: Asked, behaviour: Behaviour, refused: str) -> Iterator[Segment]:
    """The subscriber, and the dependent where one was asked about, as they were asked about."""
    other = behaviour.kind == "other_person"
    trace = asked.trace
    number = "ANOTHER-TRACE" if behaviour.kind == "wrong_trace" else trace.get(2)
    returned = _part(asked, "TRN", "2", number, trace.get(3)) if trace.elements else None
    has_dependent = asked.patient_level == "23"
    yield _part(asked, "HL", "3", "2", "22", "1" if has_dependent else "0")
    for level in ("22", "23") if has_dependent else ("22",):
        if level == "23":
            yield _part(asked, "HL", "4", "3", "23", "0")
        if returned and level == asked.patient_level:
            yield returned
        named = asked.of(level, "NM1")
        yield _part(asked, "NM1", *_OTHER_PERSON) if other and level == "22" else named
        if refused and level == asked.patient_level:
            yield _refusal(asked, "N", refused)
        if other and level == "22":
            yield _part(asked, "DMG", "D8", "19700101")
        elif asked.of(level, "DMG").elements:
            yield asked.of(level, "DMG")


def _benefits(asked: Asked, behaviour: Behaviour) -> Iterator[Segment]:
    plan = behaviour.plan
    year = asked.service_date.year + (1 if plan.next_year else 0)
    begins_on = plan.begins_on or date(year, 1, 1)
    yield _part(asked, "DTP", "346", "D8", f"{begins_on:%Y%m%d}")
    if plan.ends_on:
        yield _part(asked, "DTP", "347", "D8", f"{plan.ends_on:%Y%m%d}")
    if behaviour.kind == "inactive":
        yield _line(asked, "6", "30", plan)
        return
    yield _line(asked, "1", "30", plan)
    if behaviour.kind == "both":
        yield _line(asked, "6", "30", plan)
    yield _line(asked, "1" if plan.covers_office_visits else "I", "98", plan)
    for network, cents in (("Y", plan.copay_in_cents), ("N", plan.copay_out_cents)):
        if cents is not None:
            yield _line(asked, "B", "98", plan, "27", _amount(cents), network=network)
    for code, period, cents in (
        ("C", "23", plan.deductible_cents),
        ("C", "29", plan.deductible_left_cents),
        ("G", "29", plan.out_of_pocket_left_cents),
    ):
        if cents is not None:
            yield _line(asked, code, "30", plan, period, _amount(cents), network="Y")
    if plan.coinsurance is not None:
        share = format(plan.coinsurance, "f")
        yield _line(asked, "A", "30", plan, "", "", share, network="Y")


def _line(
    asked: Asked, code: str, service_type: str, plan: Plan, *values: str, network: str = ""
) -> Segment:
    """An EB segment; values are EB06 period, EB07 amount, EB08 percent."""
    period, amount, share = (*values, "", "", "")[:3]
    known = (code, "IND" if values else "", service_type, "PR", plan.name, period, amount, share)
    return _part(asked, "EB", *known, "", "", "", network)


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
