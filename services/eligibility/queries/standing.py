"""All that the verdicts and estimates of a patient's visits rest on, read at once."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from services.eligibility.domain.coverage import Coverage as CoverageRule
from services.eligibility.queries.coverages import COVERAGES_OF, MARKS_OF, rule_of
from services.eligibility.tables import (
    Check,
    Coverage,
    Estimate,
    EstimateRevision,
    KnownClinic,
    KnownFee,
    KnownType,
    KnownVisit,
    SelfPayMark,
    VisitCover,
)
from shared.db.together import Wanted, load_together
from shared.db.work import Work
from shared.values.zones import zone

AROUND = timedelta(hours=36)
"""From noon of a day in UTC no zone's part of that day is further away."""
PENDING = "check.pending"

# Visits to come, those of the day that is asked about, and those for which something is missing.
_OPEN = """
patient_id = $2 AND state = 'booked' AND (starts_at BETWEEN $3 AND $4 OR starts_at > $5
  OR NOT EXISTS (SELECT 1 FROM visit_covers c WHERE c.network_id = known_visits.network_id
    AND c.appointment_id = known_visits.appointment_id AND c.reason <> 'check.pending')
  OR NOT EXISTS (SELECT 1 FROM estimates e WHERE e.network_id = known_visits.network_id
    AND e.appointment_id = known_visits.appointment_id))
"""
# Visits of a day, whatever their clinic's zone makes of it: nothing else is looked at.
_NEAR = "patient_id = $2 AND state = 'booked' AND starts_at BETWEEN $3 AND $4"


def _wanted(which: str) -> tuple[Wanted, ...]:
    """All that the verdicts and estimates of such visits rest on."""
    of_them = f"FROM known_visits WHERE known_visits.network_id = $1 AND {which}"
    theirs = f"appointment_id IN (SELECT appointment_id {of_them})"
    days = f"""SELECT (starts_at AT TIME ZONE 'UTC')::date + beside
      FROM known_visits, generate_series(-1, 1) beside
      WHERE known_visits.network_id = $1 AND {which}"""
    priced = f"""SELECT clinic_id,
        CASE WHEN new_patient THEN service_code_new ELSE service_code_known END
      FROM known_visits JOIN known_types USING (network_id, appointment_type_id)
      WHERE known_visits.network_id = $1 AND {which}"""
    return (
        (KnownVisit, f"{which} ORDER BY starts_at, appointment_id"),
        (KnownClinic, f"clinic_id IN (SELECT clinic_id {of_them})"),
        (KnownType, f"appointment_type_id IN (SELECT appointment_type_id {of_them})"),
        (KnownFee, f"(clinic_id, service_code) IN ({priced})"),
        (Coverage, COVERAGES_OF),
        (SelfPayMark, MARKS_OF),
        (Check, f"patient_id = $2 AND service_date IN ({days}) ORDER BY number"),
        (VisitCover, theirs),
        (Estimate, theirs),
        (
            EstimateRevision,
            "(appointment_id, revision) IN"
            f" (SELECT appointment_id, revision FROM estimates WHERE network_id = $1 AND {theirs})",
        ),
    )


OF_ALL, OF_A_DAY = _wanted(_OPEN), _wanted(_NEAR)


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
    noon = datetime.combine(around or work.now.date(), time(12), UTC)
    bounds = (patient_id, noon - AROUND, noon + AROUND)
    if alone:
        found = await load_together(work, OF_A_DAY, *bounds)
    else:
        found = await load_together(work, OF_ALL, *bounds, work.now - AROUND)
    visits, clinics, types, prices, coverages, marks, checks, covers, estimates, revisions = found
    fees: defaultdict[tuple[UUID, str], list[KnownFee]] = defaultdict(list)
    for row in prices:
        fees[row.clinic_id, row.service_code].append(row)
    return Facts(
        visits=_on_their_days(work, visits, clinics),
        coverages={row.id: row for row in coverages},
        marks={mark.appointment_id: mark.self_pay for mark in marks},
        checks=checks,
        covers={row.appointment_id: row for row in covers},
        estimates={row.appointment_id: row for row in estimates},
        revisions={row.appointment_id: row for row in revisions},
        types={row.appointment_type_id: row for row in types},
        fees=fees,
    )


def _on_their_days(
    work: Work, rows: Sequence[KnownVisit], clinics: Sequence[KnownClinic]
) -> list[OpenVisit]:
    """The visits whose clinic, and so whose day, is known."""
    zones = {place.clinic_id: zone(place.time_zone) for place in clinics}
    found = []
    for row in rows:
        if row.clinic_id in zones:
            on = row.starts_at.astimezone(zones[row.clinic_id]).date()
            past = on < work.now.astimezone(zones[row.clinic_id]).date()
            found.append(OpenVisit(row, on, past))
    return found
