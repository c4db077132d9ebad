"""What a visit will likely cost the patient, in lines that sum to the cent.

For each service, by the most specific lines of the payer's answer:

    not covered ............... the patient pays the fee
    a copay above zero ........ the copay, once a visit; the deductible is left alone
    otherwise ................. what is left of the deductible, then coinsurance on the rest
    always .................... no more than what is left before the out-of-pocket maximum

What the answer leaves open is worked out twice, at its lowest and at its highest; the lines show
the highest, and `reasons` says what to ask. Without a verified answer the range is from nothing to
the whole fee.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.eligibility.domain.benefits import Benefits
from services.eligibility.domain.standing import bounds_of
from services.eligibility.domain.terms import CostShare, End, Figure, terms_of
from services.eligibility.domain.verdict import Verdict
from shared.values.errors import Invalid

LineCode = Literal[
    "copay",
    "deductible",
    "coinsurance",
    "not_covered",
    "inactive",
    "self_pay",
    "unverified",
    "payer",
    "discount",
]


@dataclass(frozen=True, slots=True)
class Service:
    """A service that is planned.

    fee_id, fee_cents: the clinic's price and where it stands. allowed_cents: what the payer's
    contract allows, where it is known; the fee else. service_types: X12 code list 1365, from the
    most to the least specific.
    """

    code: str
    fee_id: str
    fee_cents: int
    allowed_cents: int | None = None
    service_types: tuple[str, ...] = ("98", "30")

    def __post_init__(self) -> None:
        if self.fee_cents < 0 or not 0 <= self.allowed <= self.fee_cents:
            raise Invalid("estimate.fee", "An allowed amount lies between zero and the fee.")

    @property
    def allowed(self) -> int:
        """The amount that the patient and the payer share, in cents."""
        return self.fee_cents if self.allowed_cents is None else self.allowed_cents


@dataclass(frozen=True, slots=True)
class EstimateLine:
    """One line: whose part, what for, how much, and from where.

    label: key of the text. cents: zero or more. sources: ``eb:4`` is the fourth EB of the answer,
    ``fee:<id>`` a price of the clinic.
    """

    side: Literal["patient", "payer"]
    code: LineCode
    service: str
    cents: int
    sources: tuple[str, ...]

    @property
    def label(self) -> str:
        """Key of the text, e.g. ``estimate.copay``."""
        return f"estimate.{self.code}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """lines sum to the fee; those of the patient's side to `patient_cents`.

    low_cents, high_cents: the range of the patient's part; the lines explain the high end.
    reasons: what leaves it open; empty where it is certain.
    """

    lines: tuple[EstimateLine, ...]
    low_cents: int
    high_cents: int
    reasons: tuple[str, ...]

    @property
    def fee_cents(self) -> int:
        """The clinic's price of all services."""
        return sum(line.cents for line in self.lines)

    @property
    def patient_cents(self) -> int:
        """The patient's part; the most that it can be where it is not certain."""
        return sum(line.cents for line in self.lines if line.side == "patient")

    @property
    def payer_cents(self) -> int:
        """What the patient does not owe: the payer's part and the contract's discount."""
        return self.fee_cents - self.patient_cents

    @property
    def copay_cents(self) -> int:
        """What of the patient's part is copay, and due at the desk."""
        return sum(line.cents for line in self.lines if line.code == "copay")

    @property
    def certain(self) -> bool:
        """Whether the patient's part is one figure."""
        return self.low_cents == self.high_cents


_FULL_FEE: dict[str, LineCode] = {"self_pay": "self_pay", "inactive": "inactive"}


def estimate(
    verdict: Verdict,
    services: Sequence[Service],
    benefits: Benefits | None,
    *,
    in_network: bool = True,
    on: date | None = None,
) -> Estimate:
    """The estimate of a visit.

    verdict: the visit's. benefits: the answer that it rests on; used when it is active.
    on: the day of the visit; lines whose own dates leave it out are not used.
    Raises Invalid ``estimate.no_services`` where there is nothing to price.
    """
    if not services:
        raise Invalid("estimate.no_services", "There is no service to price.")
    if verdict.status in _FULL_FEE:
        lines = tuple(_full_fee(service, _FULL_FEE[verdict.status]) for service in services)
        return _sum(lines, lines, ())
    if verdict.status == "unverified" or benefits is None:
        lines = tuple(_full_fee(service, "unverified") for service in services)
        return _sum((), lines, (verdict.reason,))
    lines_then = [line for line in benefits.lines if bounds_of(line.dates).hold(on)]
    terms = [
        terms_of(lines_then, service.service_types, in_network=in_network) for service in services
    ]
    low = _Visit("low").lines(services, terms)
    high = _Visit("high").lines(services, terms)
    reasons = dict.fromkeys(reason for term in terms for reason in term.reasons)
    return _sum(low, high, tuple(reasons))


def _sum(
    low: Sequence[EstimateLine], high: Sequence[EstimateLine], reasons: tuple[str, ...]
) -> Estimate:
    """An open term that changes nothing (a deductible above the fee) leaves no reason behind."""
    low_cents, high_cents = (
        sum(line.cents for line in lines if line.side == "patient") for lines in (low, high)
    )
    open_reasons = reasons if low_cents != high_cents else ()
    return Estimate(tuple(high), low_cents, high_cents, open_reasons)


def _full_fee(service: Service, code: LineCode) -> EstimateLine:
    return EstimateLine(
        "patient", code, service.code, service.fee_cents, (f"fee:{service.fee_id}",)
    )


class _Visit:
    """One pass over a visit's services at one end of the range.

    It remembers what has been used of each copay, deductible and maximum: services share them.
    """

    def __init__(self, end: End) -> None:
        self._end: End = end
        self._used: dict[tuple[str, ...], int] = {}

    def lines(self, services: Sequence[Service], terms: Sequence[CostShare]) -> list[EstimateLine]:
        """The lines of all services, in order."""
        return [
            line
            for service, term in zip(services, terms, strict=True)
            for line in self._of(service, term)
        ]

    def _of(self, service: Service, term: CostShare) -> list[EstimateLine]:
        fee = (f"fee:{service.fee_id}",)
        if term.not_covered.at(self._end):
            sources = (*fee, *term.not_covered.sources)
            return [
                EstimateLine("patient", "not_covered", service.code, service.fee_cents, sources)
            ]
        patient = self._patient(service, term)
        paid = service.allowed - sum(line.cents for line in patient)
        lines = [*patient, EstimateLine("payer", "payer", service.code, paid, fee)]
        discount = service.fee_cents - service.allowed
        if discount:
            lines.append(EstimateLine("payer", "discount", service.code, discount, fee))
        return lines

    def _patient(self, service: Service, term: CostShare) -> list[EstimateLine]:
        """The patient's lines, each within what the out-of-pocket maximum leaves."""
        lines: list[EstimateLine] = []
        for code, due, sources in self._due(service.allowed, term):
            cents, cap = due, term.out_of_pocket
            if cap is not None:
                cents = min(due, self._rest(cap, due))
                self._use(cap.sources, cents)
            capped = cap.sources if cap is not None and cents < due else ()
            if due or code == "copay":
                named = (*sources, *capped)
                lines.append(EstimateLine("patient", code, service.code, cents, named))
        return lines

    def _due(self, allowed: int, term: CostShare) -> list[tuple[LineCode, int, tuple[str, ...]]]:
        """What the terms ask for before the maximum is looked at."""
        if term.copay is not None:
            copay = self._rest(term.copay, allowed)
            self._use(term.copay.sources, copay)
            return [("copay", copay, term.copay.sources)]
        first = self._rest(term.deductible, allowed)
        self._use(term.deductible.sources, first)
        share = term.coinsurance.of(allowed - first, self._end)
        return [
            ("deductible", first, term.deductible.sources),
            ("coinsurance", share, term.coinsurance.sources),
        ]

    def _rest(self, figure: Figure, at_most: int) -> int:
        """What is still to be used of a figure, up to `at_most`."""
        whole = figure.at(self._end)
        if whole is None:
            return at_most
        return min(at_most, max(0, whole - self._used.get(figure.sources, 0)))

    def _use(self, sources: tuple[str, ...], cents: int) -> None:
        self._used[sources] = self._used.get(sources, 0) + cents
