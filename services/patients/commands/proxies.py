"""Enter who may act for a patient, and end it: by hand, by time, by age."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.patients import events
from services.patients.domain.proxies import (
    Authority,
    EndReason,
    Proxy,
    State,
    decide_end,
    decide_grant,
    lapses_at,
    majority_at,
    next_lapse,
    why_lapsed,
)
from services.patients.queries.clinics import zones
from services.patients.queries.people import person
from services.patients.queries.proxies import majority_age, policy, proxy, standing, state_of
from services.patients.tables import Patient, ProxyEntry, ProxyPolicy
from shared.db.locks import LockKey, lock_key
from shared.db.proxies import key_of
from shared.db.work import Work
from shared.values.errors import Conflict

LAPSE = "proxy-lapse"


def exists() -> Conflict:
    """The refusal where somebody may act for the patient already."""
    return Conflict("proxy.exists", "They may act for this patient; end that entry first.")


async def grant(work: Work, patient_id: UUID, who: Proxy) -> ProxyEntry:
    """Enter somebody who may act for a patient. Whoever enters it has verified it.

    Raises what `decide_grant` does; NotFound for a patient that is not there; ``proxy.exists``.
    """
    patient = await person(work, patient_id)
    majority = None
    if who.authority is Authority.PARENT_OR_GUARDIAN:
        majority = await _majority(work, patient)
    lapses = decide_grant(patient.id, who, majority, work.now)
    if who.patient_id is not None:
        await person(work, who.patient_id)
    others = await _end_lapsed(work, patient)
    key = None if who.subject is None else key_of(work.network_id, who.subject)
    if (key, who.patient_id) in {(row.proxy_key, row.proxy_patient_id) for row in others}:
        raise exists()
    row = ProxyEntry(
        id=work.new_id("proxy"),
        network_id=work.network_id,
        patient_id=patient.id,
        proxy_subject=who.subject,
        proxy_key=key,
        proxy_patient_id=who.patient_id,
        authority=who.authority.value,
        scope=[power.value for power in who.scope],
        begins_at=who.begins_at,
        until_at=who.until_at,
        majority_at=majority,
        lapses_at=lapses,
        evidence_document_id=who.evidence_document_id,
        verified_at=work.now,
        verified_by=str(work.actor),
    )
    work.add(row)
    _wake(work, patient_id, [*others, row])
    work.save(patient)
    work.say(events.proxy_granted(row), of=patient)
    return row


async def end(
    work: Work, patient_id: UUID, proxy_id: UUID, reason: EndReason, note: str | None
) -> ProxyEntry:
    """Let somebody act for a patient no more. Raises Conflict ``proxy.already_ended``."""
    patient = await person(work, patient_id)
    row = await proxy(work, patient_id, proxy_id)
    decide_end(row.ended_at)
    _end(work, patient, row, reason, work.now, note)
    rest = [other for other in await standing(work, patient_id) if other.id != proxy_id]
    _wake(work, patient_id, rest)
    return row


async def lapse(work: Work, patient_id: UUID) -> None:
    """End what has lapsed of a patient's entries, and wait for the next."""
    rest = await _end_lapsed(work, await person(work, patient_id))
    _wake(work, patient_id, rest)


async def _end_lapsed(work: Work, patient: Patient) -> list[ProxyEntry]:
    """End what has lapsed, as of when it did; what still stands."""
    rest = []
    for row in await standing(work, patient.id):
        if row.lapses_at is not None and state_of(work, row) is State.LAPSED:
            reason = why_lapsed(row.majority_at, row.lapses_at)
            _end(work, patient, row, reason, row.lapses_at)
        else:
            rest.append(row)
    await work.flush()
    return rest


async def birth_date_amended(work: Work, patient: Patient) -> None:
    """Reckon again when a patient comes of age."""
    rows = await standing(work, patient.id)
    for row in rows:
        if row.majority_at is not None:
            row.majority_at = await _majority(work, patient)
            row.lapses_at = lapses_at(row.until_at, row.majority_at)
            work.save(row)
    _wake(work, patient.id, rows)


def policy_lock() -> Sequence[LockKey]:
    """The one policy of a network."""
    return (lock_key("proxy-policy", "majority"),)


async def set_policy(work: Work, age: int) -> ProxyPolicy:
    """Say at what age a patient comes of age, for what is entered or reckoned from now on."""
    row = await policy(work)
    if row is None:
        row = ProxyPolicy(
            network_id=work.network_id,
            majority_age=age,
            set_at=work.now,
            set_by=str(work.actor),
        )
        work.add(row)
        return row
    row.majority_age, row.set_at, row.set_by = age, work.now, str(work.actor)
    work.save(row)
    return row


async def _majority(work: Work, patient: Patient) -> datetime:
    return majority_at(patient.birth_date, await majority_age(work), await zones(work))


def _end(
    work: Work,
    patient: Patient,
    row: ProxyEntry,
    reason: EndReason,
    at: datetime,
    note: str | None = None,
) -> None:
    row.ended_at, row.ended_by = at, str(work.actor)
    row.end_reason, row.end_note = reason.value, note
    work.save(row)
    work.save(patient)
    work.say(events.proxy_ended(row, reason, at), of=patient)


def _wake(work: Work, patient_id: UUID, rows: Sequence[ProxyEntry]) -> None:
    """Let the next of these that ends by itself be ended then."""
    due = next_lapse(row.lapses_at for row in rows)
    if due is None:
        work.cancel_timer(LAPSE, patient_id)
    else:
        work.timer(LAPSE, patient_id, due)
