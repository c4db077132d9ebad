"""What check-in asks for, what is known of it, and how ready a visit is."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.appointments.domain.policies import Scoped, VisitPolicy, policy_for
from services.appointments.domain.readiness import preparations
from services.appointments.domain.requirement_values import (
    Authorization,
    CheckInFacts,
    CheckInPolicy,
    ConsentHeld,
    Item,
    Settlement,
    Verdict,
    Waivers,
)
from services.appointments.domain.requirements import requirements
from services.appointments.domain.status import Confirmation
from services.appointments.queries.visits import clinic_zone, one_known_patient, packet_of
from services.appointments.tables import (
    Appointment,
    KnownAuthorization,
    KnownConsent,
    KnownForm,
    KnownVerification,
    RequirementCheck,
    VisitCopay,
    VisitCover,
    VisitPayment,
)
from services.appointments.tables import VisitPolicy as PolicyRow
from shared.db.work import Work
from shared.values.zones import zone


async def policy_of_visit(work: Work, row: Appointment) -> VisitPolicy:
    """What is asked for at a visit."""
    rows = await work.load_where(
        PolicyRow,
        "(clinic_id IS NULL OR clinic_id = $2)"
        " AND (appointment_type_id IS NULL OR appointment_type_id = $3)",
        row.clinic_id,
        row.appointment_type_id,
    )
    entered = [Scoped(r.clinic_id, r.appointment_type_id, r.members) for r in rows]
    return policy_for(entered, row.clinic_id, row.appointment_type_id)


async def check_in_facts(work: Work, row: Appointment, policy: CheckInPolicy) -> CheckInFacts:
    """What this service has heard that check-in depends on; only what the policy asks for."""
    patient = await one_known_patient(work, row.patient_id)
    consents = await work.load_where(KnownConsent, "patient_id = $2", row.patient_id)
    covers = await work.load_where(VisitCover, "appointment_id = $2", row.id)
    return CheckInFacts(
        starts_at=row.starts_at,
        zone=zone(await clinic_zone(work, row.clinic_id)),
        identity_verified_at=patient.identity_verified_at if patient else None,
        verdict=Verdict(covers[0].verdict) if covers else None,
        consents=tuple(
            ConsentHeld(c.kind, c.text_version, c.granted_at, c.expires_on, c.revoked_at)
            for c in consents
        ),
        owed_cents=max(0, patient.balance_cents) if patient else 0,
        field_verified_at=await _verifications(work, row) if policy.demographics else {},
        forms=await _forms(work, row) if policy.forms else frozenset(),
        authorization=await _authorization(work, row) if policy.authorization_asked else None,
        copay_cents=await _copay(work, row.id) if policy.copay_asked else None,
        paid_cents=await _paid(work, row.id) if policy.copay_asked else 0,
        settled=settled(await checks_of(work, row), row.moves),
    )


async def checks_of(work: Work, row: Appointment) -> list[RequirementCheck]:
    """Who verified or waived what of a visit, in the order in which it was said."""
    where = "appointment_id = $2 ORDER BY checked_at, id"
    return await work.load_where(RequirementCheck, where, row.id)


def settled(checks: Sequence[RequirementCheck], moves: int) -> tuple[Settlement, ...]:
    """The word that counts, of each code: the last, unless it was withdrawn.

    What was said of the time that a visit had before it moved says nothing of the one it has now.
    """
    last = {check.code: check for check in checks if check.visit_moves == moves}
    return tuple(
        Settlement(c.code, c.outcome == "waived", c.reason, c.checked_by, c.checked_at)
        for c in last.values()
        if c.outcome != "withdrawn"
    )


async def open_items(work: Work, row: Appointment) -> tuple[Item, ...]:
    """Every requirement of a visit, as it stands without anybody's further word."""
    policy = (await policy_of_visit(work, row)).check_in
    return requirements(policy, await check_in_facts(work, row, policy), Waivers(), work.now)


async def readiness_items(work: Work, row: Appointment) -> tuple[Item, ...]:
    """What is open before a visit can go well: check-in's list, and what is prepared besides."""
    packet = await packet_of(work, row.id)
    return await open_items(work, row) + preparations(
        Confirmation(row.confirmation),
        packet_ready=packet is not None,
        arrived=row.arrived_at is not None or row.checked_in_at is not None,
    )


async def _verifications(work: Work, row: Appointment) -> dict[str, datetime]:
    rows = await work.load_where(KnownVerification, "patient_id = $2", row.patient_id)
    return {one.field: one.verified_at for one in rows}


async def _forms(work: Work, row: Appointment) -> frozenset[str]:
    rows = await work.load_where(KnownForm, "patient_id = $2", row.patient_id)
    return frozenset(one.form for one in rows if one.appointment_id in (None, row.id))


async def _authorization(work: Work, row: Appointment) -> Authorization | None:
    """The one that was decided last."""
    where = "appointment_id = $2 ORDER BY decided_at DESC, authorization_id DESC LIMIT 1"
    rows = await work.load_where(KnownAuthorization, where, row.id)
    if not rows:
        return None
    return Authorization(rows[0].state, rows[0].valid_from, rows[0].valid_until)


async def _copay(work: Work, appointment_id: UUID) -> int | None:
    rows = await work.load_where(VisitCopay, "appointment_id = $2", appointment_id)
    return rows[0].copay_cents if rows else None


async def _paid(work: Work, appointment_id: UUID) -> int:
    rows = await work.load_where(VisitPayment, "appointment_id = $2", appointment_id)
    return rows[0].paid_cents if rows else 0
