"""Entering payers and coverages; changing and ending coverages; the patient's word to pay."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from services.eligibility import events
from services.eligibility.commands.asking import inquiry
from services.eligibility.commands.reckoning import reckon
from services.eligibility.domain.coverage import checked
from services.eligibility.domain.request_270 import build_270
from services.eligibility.queries.coverages import (
    coverage,
    coverages_of,
    known_patient,
    payer,
    rule_of,
)
from services.eligibility.queries.visits import visit
from services.eligibility.tables import Coverage, Payer, SelfPayMark
from shared.db.work import Work, match_version
from shared.values.errors import Conflict, Invalid, NotFound

BORN_FIRST = date(1880, 1, 1)


async def add_payer(work: Work, facts: Mapping[str, Any]) -> Payer:
    """Enter a payer. Raises Invalid where no 270 could be written with what is given."""
    row = Payer(id=work.new_id("payer"), network_id=work.network_id, **facts)
    sample = Coverage(
        id=row.id,
        network_id=work.network_id,
        patient_id=row.id,
        payer_id=row.id,
        place="primary",
        member_id="0",
        relationship="self",
        subscriber_family_name="Sample",
        subscriber_birth_date=BORN_FIRST,
        effective_from=BORN_FIRST,
    )
    try:
        build_270(inquiry(row, sample, work.now.date(), row.id, work.now))
    except Invalid as error:
        if error.code == "request.npi":
            error.pointer = "/provider_npi"
        raise
    work.add(row)
    return row


async def add_coverage(work: Work, facts: Mapping[str, Any]) -> Coverage:
    """Enter a coverage as the card says. Needs the patient's lock.

    Visits to come are asked about. Raises NotYetHeard for an unknown patient, NotFound for an
    unknown payer, Conflict where the order is taken, Invalid where no payer could be asked.
    """
    row = Coverage(id=work.new_id("coverage"), network_id=work.network_id, **facts)
    await known_patient(work, row.patient_id)
    await _check(work, row)
    work.add(row)
    work.say(events.coverage_added(row), of=row)
    await reckon(work, row.patient_id)
    return row


async def change_coverage(
    work: Work, coverage_id: UUID, facts: Mapping[str, Any], version: int | None
) -> Coverage:
    """Change a coverage: a new edition of the card, for which payers are asked anew.

    Needs the patient's lock. Raises Stale, Conflict ``coverage.terminated``, and what
    `add_coverage` raises.
    """
    row = await coverage(work, coverage_id)
    match_version(version, row.version)
    if row.state == "terminated":
        raise Conflict("coverage.terminated", "The coverage has ended and is not changed any more.")
    if all(getattr(row, name) == value for name, value in facts.items()):
        return row
    for name, value in facts.items():
        setattr(row, name, value)
    # Who turns out to be the subscriber is nobody's dependent; one who is named all the same is
    # refused below.
    named = any(facts.get(name) for name in facts if name.startswith("dependent_"))
    if row.relationship == "self" and not named:
        row.dependent_family_name = row.dependent_given_name = None
        row.dependent_birth_date = row.dependent_gender = None
    await _check(work, row)
    row.edition += 1
    work.save(row)
    work.say(events.coverage_changed(row), of=row)
    await reckon(work, row.patient_id)
    return row


async def terminate_coverage(work: Work, coverage_id: UUID, last_day: date) -> Coverage:
    """End a coverage with a day that it still holds. Ending it so again changes nothing.

    Needs the patient's lock. Raises Invalid ``coverage.dates_reversed``, Conflict
    ``coverage.terminated`` where it ended on another day.
    """
    row = await coverage(work, coverage_id)
    if row.state == "terminated":
        if row.effective_to == last_day:
            return row
        raise Conflict("coverage.terminated", "The coverage has ended on another day.")
    row.effective_to, row.state = last_day, "terminated"
    await _check(work, row)
    work.save(row)
    work.say(events.coverage_changed(row), of=row)
    await reckon(work, row.patient_id)
    return row


async def mark_self_pay(
    work: Work, patient_id: UUID, appointment_id: UUID | None, self_pay: bool
) -> SelfPayMark:
    """Keep what the patient says about paying themselves, for a visit or for all of them.

    Needs the patient's lock. A word on a visit goes before the word on all. Raises NotYetHeard for
    an unknown patient or visit, NotFound for a visit of somebody else.
    """
    await known_patient(work, patient_id)
    around = None
    if appointment_id is not None:
        row = await visit(work, appointment_id)
        if row.patient_id != patient_id:
            raise NotFound("visit.not_found", "There is no such visit.")
        around = row.starts_at.date()
    mark = SelfPayMark(
        id=work.new_id("self_pay"),
        network_id=work.network_id,
        patient_id=patient_id,
        appointment_id=appointment_id,
        self_pay=self_pay,
        marked_at=work.now,
        marked_by=str(work.actor),
    )
    work.add(mark)
    await reckon(work, patient_id, around)
    return mark


async def _check(work: Work, row: Coverage) -> None:
    """Raise where a coverage cannot stand, beside the patient's others or by itself."""
    others = await coverages_of(work, row.patient_id)
    checked(rule_of(row), [rule_of(other) for other in others])
    _check_people(row, work.now.date() + timedelta(days=1))
    # What a payer could not be asked with is refused here, where somebody can mend it.
    build_270(inquiry(await payer(work, row.payer_id), row, row.effective_from, row.id, work.now))


def _check_people(row: Coverage, latest: date) -> None:
    """Who must be named, by the patient's relationship to the subscriber."""
    if row.relationship == "self":
        if row.dependent_given_name or row.dependent_birth_date:
            raise Invalid("dependent.is_subscriber", "The patient is the subscriber.",
                          pointer="/dependent")  # fmt: skip
        if row.subscriber_birth_date is None:
            raise Invalid("birth_date.missing", "The patient's birth date is needed.",
                          pointer="/subscriber/birth_date")  # fmt: skip
    elif row.dependent_given_name is None or row.dependent_birth_date is None:
        raise Invalid("dependent.missing", "The patient's name and birth date are needed.",
                      pointer="/dependent")  # fmt: skip
    for person, born in (
        ("subscriber", row.subscriber_birth_date),
        ("dependent", row.dependent_birth_date),
    ):
        if born is not None and not BORN_FIRST <= born <= latest:
            raise Invalid("birth_date.out_of_range", "Nobody was born on that day.",
                          pointer=f"/{person}/birth_date")  # fmt: skip
