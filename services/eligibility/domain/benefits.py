"""What a 271 says, as values. Nothing is judged here and nothing is left out."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from services.eligibility.domain.question import Identity

Level = Literal["source", "receiver", "subscriber", "dependent", "benefit"]


@dataclass(frozen=True, slots=True)
class CoverDate:
    """A DTP segment: qualifier (X12 code list 374), the first and last day, and which it was."""

    qualifier: str
    start: date
    end: date
    single: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """A TRN segment: kind ``2`` is a trace of the asker, ``1`` one of the payer."""

    kind: str
    number: str
    originator: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """An AAA segment: where it stands, why (AAA03), and what may be done (AAA04)."""

    level: Level
    code: str
    follow_up: str
    segment: int


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """A code that the rules do not know: element and value, e.g. ``EB01`` and ``ZZ``."""

    element: str
    code: str
    segment: int


@dataclass(frozen=True, slots=True)
class Related:
    """Somebody named beside a benefit, such as another payer: entity code and name."""

    entity: str
    name: str


@dataclass(frozen=True, slots=True)
class Benefit:
    """An EB segment and what belongs to it.

    index: 1 for the first EB of the answer; what an estimate names as its source.
    code: EB01. level: EB02. service_types: EB03. insurance_type: EB04. plan: EB05. period: EB06.
    amount_cents: EB07 in cents. percent: EB08, 0 to 1, exact. quantity: EB09 and EB10.
    authorization: EB11. network: EB12. procedure: EB13, its components.
    """

    index: int
    segment: int
    code: str
    level: str = ""
    service_types: tuple[str, ...] = ()
    insurance_type: str = ""
    plan: str = ""
    period: str = ""
    amount_cents: int | None = None
    percent: Decimal | None = None
    quantity: tuple[str, Decimal] | None = None
    authorization: str = ""
    network: str = ""
    procedure: tuple[str, ...] = ()
    dates: tuple[CoverDate, ...] = ()
    messages: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()


@dataclass(frozen=True, slots=True)
class Benefits:
    """A 271 about one person.

    reference: BHT03. dates: those of the patient's level, or of the subscriber's where the
    patient's has none. lines: the patient's EB segments, in order.
    """

    reference: str
    payer_name: str
    traces: tuple[Trace, ...]
    rejections: tuple[Rejection, ...]
    subscriber: Identity | None
    dependent: Identity | None
    dates: tuple[CoverDate, ...]
    lines: tuple[Benefit, ...]
    unknown: tuple[UnknownCode, ...]

    @property
    def patient(self) -> Identity | None:
        """The person it is about: the dependent where there is one, else the subscriber."""
        return self.dependent or self.subscriber
