"""What a patient consented to."""

from uuid import UUID

from services.patients.domain.consent import Consent, ConsentKind, ConsentState, state_at
from services.patients.tables import ConsentGiven
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.values.zones import zone


async def consents(work: Work, patient_id: UUID) -> list[ConsentGiven]:
    """Every consent of a patient, the oldest first."""
    where = "patient_id = $2 ORDER BY granted_at, id"
    return await work.load_where(ConsentGiven, where, patient_id)


async def consent(work: Work, patient_id: UUID, consent_id: UUID) -> ConsentGiven:
    """One consent of a patient. Raises NotFound."""
    found = await work.load_where(
        ConsentGiven, "patient_id = $2 AND id = $3", patient_id, consent_id
    )
    if not found:
        raise NotFound("consent.not_found", "There is no such consent.")
    return found[0]


def consent_of(row: ConsentGiven) -> Consent:
    """The consent of a row."""
    return Consent(
        ConsentKind(row.kind), row.text_version, row.granted_at, row.expires_on, row.revoked_at
    )


def own_state(work: Work, row: ConsentGiven) -> ConsentState:
    """How one consent stands now, whatever else was consented to."""
    return state_at([consent_of(row)], ConsentKind(row.kind), work.now, zone(row.time_zone))


def standings(work: Work, rows: list[ConsentGiven]) -> dict[ConsentKind, ConsentState]:
    """How each kind stands now. The latest grant of it counts, in the zone where it was given."""
    found = dict.fromkeys(ConsentKind, ConsentState.NEVER_GRANTED)
    held = [consent_of(row) for row in rows]
    for row in rows:
        kind = ConsentKind(row.kind)
        found[kind] = state_at(held, kind, work.now, zone(row.time_zone))
    return found
