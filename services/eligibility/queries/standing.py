"""All that the verdicts and estimates of a patient's visits rest on, read at once."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from services.eligibility.domain.coverage import Coverage as CoverageRule
from services.eligibility.queries.coverages import coverages_of, rule_of, self_pay_marks
from services.eligibility.tables import (
    Check,
    Coverage,
    Estimate,
    EstimateRevision,
    KnownClinic,
    KnownFee,
    KnownType,
    KnownVisit,
    VisitCover,
)
from shared.db.work import Work
from shared.values.zones import zone

AROUND = timedelta(hours=36)
"""From noon of a day in UTC no zone's part of that day is further away."""
PENDING = "check.pending"

# Visits to come, those of the day that is asked about, and those for which something is missing.
_OPEN = """
patient_id = $2 AND state = 'booked' AND (starts_at > $3 OR starts_at BETWEEN $4 AND $5
  OR NOT EXISTS (SELECT 1 FROM visit_covers c WHERE c.network_id = known_visits.network_id
    AND c.appointment_id = known_visits.appointment_id AND c.reason <> 'check.pending')
  OR NOT EXISTS (SELECT 1 FROM estimates e WHERE e.network_id = known_visits.network_id
    AND e.appointment_id = known_visits.appointment_id))
ORDER BY starts_at, appointment_id
"""
# Visits of a day, whatever their clinic's zone makes of it: nothing else is looked at.
_NEAR = """
patient_id = $2 AND state = 'booked' AND starts_at BETWEEN $3 AND $4
ORDER BY starts_at, appointment_id
"""
_REVISIONS = """
(appointment_id, revision) IN (SELECT appointment_id, revision FROM estimates
  WHERE network_id = $1 AND appointment_id = ANY($2))
"""


@dataclass(slots=True)
class OpenVisit:
    """A visit whose day is known. past: its day is over where it takes place."""

    row: KnownVisit
    on: date
    past: bool


@dataclass(slots=True)
class Facts:
    """What is known of a patient, as rows."""

    visits: list[OpenVisit]
    coverages: dict[UUID, Coverage]
    marks: dict[UUID | None, bool]
    checks: list[Check]
    covers: dict[UUID, VisitCover]
    estimates: dict[UUID, Estimate]
    revisions: dict[UUID, EstimateRevision]
    types: dict[UUID, KnownType]
    fees: dict[tuple[UUID, str], list[KnownFee]]

    @property
    def rules(self) -> list[CoverageRule]:
        """The coverages as the rules know them."""
        return [rule_of(row) for row in self.coverages.values()]

    def pays(self, appointment_id: UUID) -> bool:
        """Whether the patient said that they pay this visit; a word on the visit goes first."""
        return self.marks.get(appointment_id, self.marks.get(None, False))

    def asked(self, coverage_id: UUID, visit: OpenVisit) -> list[Check]:
        """The checks that may decide a visit, the first asked first.

        They asked about this coverage as the card says now, and about the day of the visit. What
        failed before the visit was put on that day does not count: it is time to ask again.
        """
        edition = self.coverages[coverage_id].edition
        return [
            check
            for check in self.checks
            if (check.coverage_id, check.edition) == (coverage_id, edition)
            and check.service_date == visit.on
            and (
                check.state in {"queued", "sent", "verified"}
                or check.requested_at >= visit.row.placed_at
            )
        ]

    def fee(self, visit: OpenVisit) -> KnownFee | None:
        """The price of a visit's service on its day, None while kind or price are not known."""
        kind = self.types.get(visit.row.appointment_type_id)
        if kind is None:
            return None
        code = kind.service_code_new if visit.row.new_patient else kind.service_code_known
        held = [
            fee
            for fee in self.fees.get((visit.row.clinic_id, code), ())
            if fee.effective_from <= visit.on
        ]
        return max(held, key=lambda fee: (fee.effective_from, fee.fee_id), default=None)


async def facts_of(
    work: Work, patient_id: UUID, around: date | None, *, alone: bool = False
) -> Facts:
    """What is known of a patient whose visits are to be reckoned. Needs the patient's lock.

    around: a day whose visits are wanted though it may be over. alone: none but the visits of that
    day, and perhaps of those beside it.
    """
    visits = await _visits(work, patient_id, around, alone=alone)
    ids = [visit.row.appointment_id for visit in visits]
    coverages = await coverages_of(work, patient_id)
    estimates = await work.load_where(Estimate, "appointment_id = ANY($2)", ids)
    return Facts(
        visits=visits,
        coverages={row.id: row for row in coverages},
        marks=await self_pay_marks(work, patient_id),
        checks=await _checks(work, patient_id, visits) if coverages else [],
        covers={
            row.appointment_id: row
            for row in await work.load_where(VisitCover, "appointment_id = ANY($2)", ids)
        },
        estimates={row.appointment_id: row for row in estimates},
        revisions=await _revisions(work, estimates) if estimates else {},
        types=await _types(work, visits),
        fees=await _fees(work, visits),
    )


async def _checks(work: Work, patient_id: UUID, visits: Sequence[OpenVisit]) -> list[Check]:
    where = "patient_id = $2 AND service_date = ANY($3) ORDER BY number"
    return await work.load_where(Check, where, patient_id, list({v.on for v in visits}))


async def _revisions(work: Work, estimates: Sequence[Estimate]) -> dict[UUID, EstimateRevision]:
    ids = [row.appointment_id for row in estimates]
    rows = await work.load_where(EstimateRevision, _REVISIONS, ids)
    return {row.appointment_id: row for row in rows}


async def _types(work: Work, visits: Sequence[OpenVisit]) -> dict[UUID, KnownType]:
    ids = {visit.row.appointment_type_id for visit in visits}
    rows = await work.load_where(KnownType, "appointment_type_id = ANY($2)", list(ids))
    return {row.appointment_type_id: row for row in rows}


async def _fees(work: Work, visits: Sequence[OpenVisit]) -> dict[tuple[UUID, str], list[KnownFee]]:
    ids = {visit.row.clinic_id for visit in visits}
    found: defaultdict[tuple[UUID, str], list[KnownFee]] = defaultdict(list)
    for row in await work.load_where(KnownFee, "clinic_id = ANY($2)", list(ids)):
        found[row.clinic_id, row.service_code].append(row)
    return found


async def _visits(
    work: Work, patient_id: UUID, around: date | None, *, alone: bool
) -> list[OpenVisit]:
    """The open visits whose clinic, and so whose day, is known."""
    noon = datetime.combine(around or work.now.date(), time(12), UTC)
    day = (noon - AROUND, noon + AROUND)
    if alone:
        rows = await work.load_where(KnownVisit, _NEAR, patient_id, *day)
    else:
        rows = await work.load_where(KnownVisit, _OPEN, patient_id, work.now - AROUND, *day)
    places = await work.load_where(
        KnownClinic, "clinic_id = ANY($2)", list({row.clinic_id for row in rows})
    )
    zones = {place.clinic_id: zone(place.time_zone) for place in places}
    found = []
    for row in rows:
        if row.clinic_id in zones:
            on = row.starts_at.astimezone(zones[row.clinic_id]).date()
            past = on < work.now.astimezone(zones[row.clinic_id]).date()
            found.append(OpenVisit(row, on, past))
    return found
