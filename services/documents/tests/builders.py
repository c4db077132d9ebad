"""What the tests of the packet are made from: a visit for which everything is there."""

from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.documents.domain.classification import DocumentClass
from services.documents.domain.packet import (
    Consent,
    Cover,
    Estimate,
    Filed,
    Heard,
    Verdict,
    Visit,
)
from services.documents.domain.packet_text import Names

DENVER = ZoneInfo("America/Denver")
STARTS = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
MADE = datetime(2026, 11, 29, 18, 0, tzinfo=UTC)


def filed(number: int, kind: DocumentClass, *, of_this_visit: bool = False) -> Filed:
    """A document of two pages that came in on November 23."""
    return Filed(UUID(int=number), kind, date(2026, 11, 23), 2, of_this_visit)


READY = Heard(
    Visit(UUID(int=1), STARTS, datetime(2026, 11, 30, 16, 30, tzinfo=UTC), DENVER),
    Cover(Verdict.ACTIVE, "payer.active", MADE),
    Estimate(18000, 5400, 3000, "USD", certain=True),
    identity_verified_at=datetime(2026, 9, 1, tzinfo=UTC),
    consents=(Consent("treatment", date(2026, 11, 30)), Consent("privacy_notice")),
    filed=(
        filed(11, DocumentClass.IDENTIFICATION),
        filed(12, DocumentClass.INSURANCE_CARD, of_this_visit=True),
    ),
)

NAMES = Names(
    clinic="Cedar Street Family Clinic",
    patient="Ana-Sofía Łukasiewicz",
    mrn="MRN-1042",
    birth_date=date(1984, 2, 29),
    provider="Dr. Kaya Brandt",
    visit_type="Office visit",
)
