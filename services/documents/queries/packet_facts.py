"""What a chart packet is made from: all that was heard of a visit, as one value that can wait.

The value lies in the intent until the errand prints it. It holds ids, codes, times and amounts: no
name.
"""

from datetime import date, datetime
from hashlib import sha256
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from services.documents.domain.classification import DocumentClass
from services.documents.domain.packet import Consent, Cover, Estimate, Filed, Heard, Verdict, Visit
from services.documents.queries.documents import one_known_patient
from services.documents.tables import (
    ChartPacket,
    KnownConsent,
    KnownPatient,
    KnownVisit,
    VisitCover,
    VisitEstimate,
)
from shared.db.together import Wanted
from shared.db.work import Work

SAID_OF_A_VISIT: tuple[Wanted, ...] = (
    (VisitCover, "appointment_id = $2"),
    (VisitEstimate, "appointment_id = $2"),
    (KnownPatient, "patient_id = $3"),
)
"""What others said last of a visit, $2, and of its patient, $3."""


class CoverFact(BaseModel):
    """The last verdict on the cover."""

    verdict: Verdict
    reason: str
    decided_at: datetime


class EstimateFact(BaseModel):
    """The last estimate."""

    fee_cents: int
    patient_cents: int
    copay_cents: int
    currency: str
    certain: bool


class ConsentFact(BaseModel):
    """A consent that was not taken back."""

    kind: str
    expires_on: date | None


class FiledFact(BaseModel):
    """A document on file."""

    document_id: UUID
    document_class: DocumentClass
    received_at: datetime
    of_this_visit: bool


class PacketFacts(BaseModel):
    """All of it."""

    appointment_id: UUID
    patient_id: UUID
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: datetime
    ends_at: datetime
    new_patient: bool
    walk_in: bool
    cover: CoverFact | None
    estimate: EstimateFact | None
    identity_verified_at: datetime | None
    owed_cents: int
    currency: str
    consents: list[ConsentFact]
    filed: list[FiledFact]

    def digest(self) -> str:
        """A hash that is the same for the same facts."""
        return sha256(self.model_dump_json().encode()).hexdigest()

    def heard(self, zone: ZoneInfo) -> Heard:
        """The facts as the rules take them, in the clinic's zone."""
        return Heard(
            visit=Visit(
                self.appointment_id,
                self.starts_at,
                self.ends_at,
                zone,
                self.new_patient,
                self.walk_in,
            ),
            cover=Cover(**self.cover.model_dump()) if self.cover else None,
            estimate=Estimate(**self.estimate.model_dump()) if self.estimate else None,
            identity_verified_at=self.identity_verified_at,
            consents=tuple(Consent(c.kind, c.expires_on) for c in self.consents),
            owed_cents=self.owed_cents,
            currency=self.currency,
            filed=tuple(
                Filed(
                    f.document_id,
                    f.document_class,
                    f.received_at.astimezone(zone).date(),
                    of_this_visit=f.of_this_visit,
                )
                for f in self.filed
            ),
        )

    @classmethod
    def of(cls, visit: KnownVisit, **more: object) -> Self:
        """The facts of a visit's row and what belongs to it."""
        own = [name for name in cls.model_fields if hasattr(visit, name)]
        return cls.model_validate({**{name: getattr(visit, name) for name in own}, **more})


async def facts_for(work: Work, visit: KnownVisit) -> PacketFacts:
    """What this service has heard of a visit and its patient by now."""
    patient = await one_known_patient(work, visit.patient_id)
    cover = await cover_of(work, visit.appointment_id)
    estimate = await estimate_of(work, visit.appointment_id)
    consents = await work.load_where(
        KnownConsent, "patient_id = $2 AND revoked_at IS NULL ORDER BY consent_id", visit.patient_id
    )
    return PacketFacts.of(
        visit,
        cover=cover and CoverFact.model_validate(cover, from_attributes=True),
        estimate=estimate and EstimateFact.model_validate(estimate, from_attributes=True),
        identity_verified_at=patient.identity_verified_at if patient else None,
        owed_cents=max(0, patient.balance_cents) if patient else 0,
        currency=patient.currency if patient else "USD",
        consents=[ConsentFact(kind=c.kind, expires_on=c.expires_on) for c in consents],
        filed=await _filed(work, visit),
    )


_FILED = """
SELECT id AS document_id, document_class, received_at, appointment_id = $3 AS of_this_visit FROM (
  SELECT id, document_class, received_at, appointment_id,
    row_number() OVER (PARTITION BY document_class ORDER BY received_at DESC, id DESC) AS place
  FROM documents
  WHERE network_id = $1 AND patient_id = $2 AND state = 'indexed' AND source <> 'generated'
) AS each WHERE place = 1 OR appointment_id = $3
ORDER BY received_at DESC, id DESC LIMIT 100
"""


async def _filed(work: Work, visit: KnownVisit) -> list[FiledFact]:
    """What is filed with the visit, and the patient's latest of each kind."""
    where = (work.network_id, visit.patient_id, visit.appointment_id)
    rows = await work.raw.fetch(_FILED, *where)
    return [
        FiledFact.model_validate({**dict(row), "of_this_visit": bool(row["of_this_visit"])})
        for row in rows
    ]


async def cover_of(work: Work, appointment_id: UUID) -> VisitCover | None:
    """The latest verdict on a visit's cover."""
    rows = await work.load_where(VisitCover, "appointment_id = $2", appointment_id)
    return rows[0] if rows else None


async def estimate_of(work: Work, appointment_id: UUID) -> VisitEstimate | None:
    """The latest estimate of a visit."""
    rows = await work.load_where(VisitEstimate, "appointment_id = $2", appointment_id)
    return rows[0] if rows else None


async def packet_of(work: Work, appointment_id: UUID) -> ChartPacket | None:
    """The chart packet of a visit, None before the visit was heard."""
    rows = await work.load_where(ChartPacket, "appointment_id = $2", appointment_id)
    return rows[0] if rows else None
