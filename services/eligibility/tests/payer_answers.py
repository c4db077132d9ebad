"""Builders: an inquiry with sane values, and the payer's answer to it, segment by segment."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from services.eligibility.domain.benefits import Benefits
from services.eligibility.domain.request_270 import (
    Dependent,
    Inquiry,
    Payer,
    Receiver,
    Subscriber,
)
from services.eligibility.domain.response_271 import read_271
from shared.x12 import Address, Envelope, Segment, made, parse

VISIT_ON = date(2026, 11, 30)
AT = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
INQUIRY = Inquiry(
    payer=Payer("Simulated Health", "SIM01"),
    receiver=Receiver("Clinic of the North", "1234567893"),
    subscriber=Subscriber("Anders", "Berta", "ACT100200", date(1980, 2, 29), "F"),
    dependent=None,
    service_date=VISIT_ON,
    trace="0190a1b2-0000-7000-8000-000000000022",
    originator="9CLINICBUS",
    control_number=42,
    made_at=AT,
    sender_id="CLINICBUS",
    receiver_id="SIM01",
)
CHILD = Dependent("Anders", "Carl", date(2015, 6, 1), "M", "child")


def inquiry(**changes: Any) -> Inquiry:
    """`INQUIRY` with some values changed."""
    return replace(INQUIRY, **changes)


def of_subscriber(**changes: Any) -> Inquiry:
    """`INQUIRY` with values of its subscriber changed."""
    return inquiry(subscriber=replace(INQUIRY.subscriber, **changes))


PAYER_AND_CLINIC = (
    "BHT*0022*11*0190a1b2-0000-7000-8000-000000000022*20261123*1501",
    "HL*1**20*1",
    "NM1*PR*2*SIMULATED HEALTH*****PI*SIM01",
    "HL*2*1*21*1",
    "NM1*1P*2*CLINIC OF THE NORTH*****XX*1234567893",
)
TRACE = "TRN*2*0190a1b2-0000-7000-8000-000000000022*9CLINICBUS"
SUBSCRIBER = (
    "HL*3*2*22*0",
    TRACE,
    "NM1*IL*1*ANDERS*BERTA****MI*ACT100200",
    "DMG*D8*19800229*F",
)
FAMILY = (
    "HL*3*2*22*1",
    "NM1*IL*1*ANDERS*BERTA****MI*ACT100200",
    "DMG*D8*19800229*F",
    "HL*4*3*23*0",
    TRACE,
    "NM1*03*1*ANDERS*CARL",
    "DMG*D8*20150601*M",
)
ACTIVE = ("DTP*346*D8*20260101", "EB*1**30**GOLD 123 PLAN")


def text_of(*texts: str, transaction: str = "271", version: str = "005010X279A1") -> bytes:
    """An interchange of the segments written as text."""
    envelope = Envelope(
        sender=Address("SIM01"),
        receiver=Address("CLINICBUS"),
        made_at=AT,
        control_number=42,
        functional_id="HB",
        transaction=transaction,
        version=version,
    )
    parts = (text.split("*") for text in texts)
    return made(envelope, [Segment(name, tuple(rest)) for name, *rest in parts]).to_bytes()


def answer(*lines: str, person: tuple[str, ...] = SUBSCRIBER) -> bytes:
    """An answer about `person` with the given lines after the name."""
    return text_of(*PAYER_AND_CLINIC, *person, *lines)


def benefits(*lines: str, person: tuple[str, ...] = SUBSCRIBER) -> Benefits:
    """The same, as read."""
    return read_271(parse(answer(*lines, person=person)))
