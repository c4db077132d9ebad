"""Register a person, amend what the record says."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.patients import events
from services.patients.commands.parts import keep_keys, keep_parts, keys_of, parts_of
from services.patients.commands.proxies import birth_date_amended
from services.patients.domain.demographics import (
    VERIFIED_AS,
    Demographics,
    changed_members,
    checked_dates,
    patched,
)
from services.patients.domain.matching import Candidate, blocking_keys, decide_registration
from services.patients.domain.mrn import NUMBER_MAX, mrn_of
from services.patients.domain.names import name_search
from services.patients.domain.phonetics import sound
from services.patients.domain.verification import Field
from services.patients.queries.clinics import latest_date
from services.patients.queries.matching import alike
from services.patients.queries.people import demographics, person
from services.patients.tables import FieldAmended, PassedOver, Patient
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work, match_version
from shared.values.errors import Conflict

# One statement, and its row lock holds until the commit: two registrations cannot share a number,
# and one that is rolled back gives its number back.
_NEXT_NUMBER = """
INSERT INTO mrn_series (network_id, last_number) VALUES ($1, 1)
ON CONFLICT (network_id) DO UPDATE SET last_number = mrn_series.last_number + 1
WHERE mrn_series.last_number < $2 RETURNING last_number
"""


def register_locks(who: Demographics) -> Sequence[LockKey]:
    """Everything that a person has in common with whoever could be the same person.

    Two who match share at least one of these keys, so two desks that register one person at the
    same time wait for each other, and the second one sees what the first has written.
    """
    return [lock_key("match", key) for key in sorted(blocking_keys(who.identity))]


async def register(work: Work, who: Demographics, override_reason: str | None) -> Patient:
    """Enter a person, with the next number of the network's series.

    Raises Conflict ``patient.maybe_known`` with candidates where somebody like this is on record
    and no reason to go on is given; ``mrn.series_ended``; Invalid for dates that cannot be.
    """
    checked_dates(who, await latest_date(work))
    over = decide_registration(await alike(work, who.identity), override_reason)
    row = Patient(
        id=work.new_id("patient"),
        network_id=work.network_id,
        mrn=await _next_mrn(work),
        registered_at=work.now,
        **_columns(who),
    )
    work.add(row, *parts_of(work, row.id, who), *keys_of(work, row.id, who))
    work.add(*(_passed_over(work, row, other, override_reason or "") for other in over))
    work.say(events.registered(row), of=row)
    return row


def patient_lock(patient_id: UUID) -> Sequence[LockKey]:
    """What a change of one person's record changes."""
    return (lock_key("patient", patient_id),)


async def amend(
    work: Work, patient_id: UUID, patch: Mapping[str, Any], version: int | None
) -> tuple[Patient, Demographics]:
    """Apply a merge patch (RFC 7396) to a record. One that changes nothing leaves its version.

    Raises Stale where `version` is not the current one, Invalid as registration does.
    """
    row = await person(work, patient_id)
    match_version(version, row.version)
    before = (await demographics(work, [row]))[row.id]
    after = checked_dates(patched(before, patch), await latest_date(work))
    changed = changed_members(before, after)
    if not changed:
        return row, before
    for name, value in _columns(after).items():
        setattr(row, name, value)
    await keep_parts(work, row.id, after)
    await keep_keys(work, row.id, after)
    for member in changed:
        if member in VERIFIED_AS:
            await note_amended(work, row.id, VERIFIED_AS[member])
    if "birth_date" in changed:
        await birth_date_amended(work, row)
    work.save(row)
    work.say(events.updated(row, changed, work.now), of=row)
    return row, after


async def note_amended(work: Work, patient_id: UUID, field: Field) -> None:
    """A field's value changed now: what was verified before no longer counts."""
    where = "patient_id = $2 AND field = $3"
    rows = await work.load_where(FieldAmended, where, patient_id, field.value)
    if rows:
        rows[0].amended_at = work.now
        work.save(rows[0])
        return
    work.add(
        FieldAmended(
            network_id=work.network_id,
            patient_id=patient_id,
            field=field.value,
            amended_at=work.now,
        )
    )


async def _next_mrn(work: Work) -> str:
    number = await work.raw.fetchval(_NEXT_NUMBER, work.network_id, NUMBER_MAX)
    if number is None:
        raise Conflict("mrn.series_ended", "The network's numbers are used up.")
    return mrn_of(number)


def _columns(who: Demographics) -> dict[str, Any]:
    name, search = who.name, name_search(who.name)
    return {
        "family": name.family,
        "given": name.given,
        "middle": name.middle,
        "suffix": name.suffix,
        "preferred": name.preferred,
        "birth_date": who.birth_date,
        "death_date": who.death_date,
        "gender": who.gender.value,
        "family_search": search.family,
        "given_search": search.given,
        "preferred_search": search.preferred,
        "family_sound": sound(search.family),
        "given_sound": sound(search.given),
    }


def _passed_over(work: Work, row: Patient, other: Candidate, reason: str) -> PassedOver:
    return PassedOver(
        network_id=work.network_id,
        patient_id=row.id,
        alike_id=other.patient_id,
        grade=other.match.grade.value,
        score=other.match.score,
        reason=reason,
        decided_at=work.now,
        decided_by=str(work.actor),
    )
