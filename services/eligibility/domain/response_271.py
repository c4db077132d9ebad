"""A 271 (005010X279A1) to benefits. What cannot be read exactly is refused as a whole.

A wrong amount at the desk costs more than a call to the payer, so there is no guessing: a date that
is none, a percent above 1 or an amount with a comma makes the answer a bad one.
"""

from collections.abc import Iterator
from decimal import Decimal

from services.eligibility.domain import codes
from services.eligibility.domain.benefits import (
    Benefit,
    Benefits,
    CoverDate,
    Level,
    Rejection,
    Related,
    Trace,
    UnknownCode,
)
from services.eligibility.domain.loop_tables import TABLE_271
from services.eligibility.domain.question import read_identity
from shared.values.money import CENTS_MAX
from shared.x12 import (
    Delimiters,
    Interchange,
    Node,
    Segment,
    X12Error,
    read_decimal,
    read_loops,
    read_period,
)

VERSIONS = frozenset({"005010X279A1", "005010X279"})
ACKNOWLEDGEMENTS = frozenset({"997", "999"})
_TITLES = {
    "answer.acknowledgement": "It acknowledges the request and answers nothing.",
    "answer.not_a_271": "It is not one 271 transaction set.",
    "answer.version": "It follows another guide than 005010X279A1.",
    "answer.no_source": "It does not say who answers.",
    "answer.benefit_code": "A benefit has no information code.",
    "answer.amount": "An amount is not in whole cents.",
    "answer.amount_negative": "An amount is below zero.",
    "answer.percent": "A percent is not between 0 and 1.",
}
_LEVELS: dict[str, Level] = {
    "2000A": "source",
    "2100A": "source",
    "2000B": "receiver",
    "2100B": "receiver",
    "2000C": "subscriber",
    "2100C": "subscriber",
    "2000D": "dependent",
    "2100D": "dependent",
}


def _refused(code: str, position: int | None = None) -> X12Error:
    return X12Error(code, position, _TITLES[code])


def read_271(interchange: Interchange) -> Benefits:
    """The benefits of an answer about one person.

    Raises X12Error: the codes ``answer.*`` above, those of the loops, dates and numbers.
    """
    tree = read_loops(_body(interchange), TABLE_271)
    source = tree.first("2000A")
    if source is None:
        raise _refused("answer.no_source")
    levels = [node for node in _walk(tree) if node.loop.name.startswith("2000")]
    people = {node.loop.name: node for node in _walk(source)}
    subscriber, dependent = people.get("2100C"), people.get("2100D")
    lines = _lines(dependent or subscriber, interchange.delimiters)
    payer, beginning = people.get("2100A"), tree.one("BHT")
    dates = _dates(dependent) or _dates(subscriber)
    return Benefits(
        reference=beginning.get(3) if beginning else "",
        payer_name=payer.segments[0].get(3) if payer else "",
        traces=tuple(
            Trace(trace.get(1), trace.get(2), trace.get(3))
            for level in levels
            for trace in level.having("TRN")
        ),
        rejections=tuple(_rejections(tree)),
        subscriber=read_identity(subscriber) if subscriber else None,
        dependent=read_identity(dependent) if dependent else None,
        dates=dates,
        lines=lines,
        unknown=tuple(found for line in lines for found in _unknown(line)),
    )


def _body(interchange: Interchange) -> tuple[Segment, ...]:
    transactions = interchange.transactions
    kinds = {held.code for held in transactions}
    if not kinds or kinds & ACKNOWLEDGEMENTS:
        raise _refused("answer.acknowledgement")
    if [held.code for held in transactions] != ["271"]:
        raise _refused("answer.not_a_271", transactions[-1].header.position)
    header = transactions[0].header
    group = interchange.groups[0].header
    if group.get(8) not in VERSIONS or header.get(3) not in VERSIONS | {""}:
        raise _refused("answer.version", header.position)
    return transactions[0].body


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _rejections(tree: Node) -> Iterator[Rejection]:
    for node in _walk(tree):
        for segment in node.having("AAA"):
            level = _LEVELS.get(node.loop.name, "benefit")
            yield Rejection(level, segment.get(3), segment.get(4), segment.position)


def _dates(node: Node | None) -> tuple[CoverDate, ...]:
    if node is None:
        return ()
    return tuple(_date(segment) for segment in node.having("DTP"))


def _date(segment: Segment) -> CoverDate:
    period = read_period(segment.get(2), segment.get(3), segment.position)
    return CoverDate(segment.get(1), period.start, period.end, segment.get(2) == "D8")


def _lines(patient: Node | None, delimiters: Delimiters) -> tuple[Benefit, ...]:
    found = (node for node in (patient.children if patient else ()) if node.loop.starts == "EB")
    return tuple(_line(node, index, delimiters) for index, node in enumerate(found, start=1))


def _line(node: Node, index: int, delimiters: Delimiters) -> Benefit:
    segment = node.segments[0]
    if not segment.get(1):
        raise _refused("answer.benefit_code", segment.position)
    quantity = None
    if segment.get(10):
        quantity = (segment.get(9), read_decimal(segment.get(10), segment.position))
    return Benefit(
        index=index,
        segment=segment.position,
        code=segment.get(1),
        level=segment.get(2),
        service_types=delimiters.repeats(segment.get(3)),
        insurance_type=segment.get(4),
        plan=segment.get(5),
        period=segment.get(6),
        amount_cents=_cents(segment),
        percent=_percent(segment),
        quantity=quantity,
        authorization=segment.get(11),
        network=segment.get(12),
        procedure=delimiters.components(segment.get(13)),
        dates=_dates(node),
        messages=tuple(message.get(1) for message in node.having("MSG")),
        related=tuple(
            Related(name.segments[0].get(1), name.segments[0].get(3))
            for wrapper in node.all("2120")
            for name in wrapper.all("2120.name")
        ),
    )


def _cents(segment: Segment) -> int | None:
    """EB07 in cents. More than two decimals are accepted where the rest is zero."""
    if not segment.get(7):
        return None
    cents = read_decimal(segment.get(7), segment.position) * 100
    if cents < 0:
        raise _refused("answer.amount_negative", segment.position)
    if cents != cents.to_integral_value() or cents > CENTS_MAX:
        raise _refused("answer.amount", segment.position)
    return int(cents)


def _percent(segment: Segment) -> Decimal | None:
    """EB08: 0.2 is 20 %. A 20 would be 2000 % or a slip; which one cannot be known."""
    if not segment.get(8):
        return None
    percent = read_decimal(segment.get(8), segment.position)
    if not 0 <= percent <= 1:
        raise _refused("answer.percent", segment.position)
    return percent


def _unknown(line: Benefit) -> Iterator[UnknownCode]:
    known = (
        ("EB01", line.code, codes.INFORMATION_CODES),
        ("EB02", line.level, codes.COVERAGE_LEVELS),
        ("EB06", line.period, codes.PERIODS.keys() | {""}),
        ("EB11", line.authorization, codes.YES_NO),
        ("EB12", line.network, codes.NETWORKS),
    )
    for element, value, values in known:
        if value not in values:
            yield UnknownCode(element, value, line.segment)
