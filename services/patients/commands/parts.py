"""The lists of a person: what is no longer there is ended, what is new is added."""

from typing import Any
from uuid import UUID

from services.patients.domain.contact import email_search
from services.patients.domain.demographics import Demographics
from services.patients.domain.matching import blocking_keys
from services.patients.queries.people import current
from services.patients.tables import MatchKey, PatientAddress, PatientEmail, PatientPhone
from shared.db.work import Work

Part = PatientPhone | PatientEmail | PatientAddress


def parts_of(work: Work, patient_id: UUID, who: Demographics) -> list[Part]:
    """New rows for all that `who` is reached by."""
    own: dict[str, Any] = {"network_id": work.network_id, "patient_id": patient_id}
    phones = [
        PatientPhone(
            **own,
            id=work.new_id(f"phone/{at}"),
            position=at,
            number=phone.number,
            use=phone.use.value,
        )
        for at, phone in enumerate(who.phones)
    ]
    emails = [
        PatientEmail(
            **own,
            id=work.new_id(f"email/{at}"),
            position=at,
            address=email,
            search=email_search(email),
        )
        for at, email in enumerate(who.emails)
    ]
    addresses = [
        PatientAddress(
            **own,
            id=work.new_id(f"address/{at}"),
            position=at,
            use=place.use.value,
            lines=list(place.address.lines),
            city=place.address.city,
            state=place.address.state,
            postal_code=place.address.postal_code,
            country=place.address.country,
        )
        for at, place in enumerate(who.addresses)
    ]
    return [*phones, *emails, *addresses]


def keys_of(work: Work, patient_id: UUID, who: Demographics) -> list[MatchKey]:
    """New rows for the keys that `who` is matched by."""
    return [
        MatchKey(network_id=work.network_id, patient_id=patient_id, key=key)
        for key in sorted(blocking_keys(who.identity))
    ]


async def keep_parts(work: Work, patient_id: UUID, who: Demographics) -> None:
    """Make a patient's telephones, e-mail and addresses those of `who`; nothing is deleted."""
    wanted = {_says(row): row for row in parts_of(work, patient_id, who)}
    known: list[Part] = [
        *await current(work, PatientPhone, [patient_id]),
        *await current(work, PatientEmail, [patient_id]),
        *await current(work, PatientAddress, [patient_id]),
    ]
    for row in known:
        stays = wanted.pop(_says(row), None)
        if stays is None:
            row.ended_at = work.now
            work.save(row)
        elif stays.position != row.position:
            row.position = stays.position
            work.save(row)
    work.add(*wanted.values())


async def keep_keys(work: Work, patient_id: UUID, who: Demographics) -> None:
    """Make the keys that a patient is matched by those of `who`, and put the others to sleep."""
    wanted = {row.key: row for row in keys_of(work, patient_id, who)}
    for row in await work.load_where(MatchKey, "patient_id = $2", patient_id):
        active = wanted.pop(row.key, None) is not None
        if row.active != active:
            row.active = active
            work.save(row)
    work.add(*wanted.values())


def _says(row: Part) -> tuple[object, ...]:
    """What a row says of the person, apart from which row it is and where in the list it stands."""
    own = {"id", "network_id", "patient_id", "position", "ended_at"}
    told = row.model_dump(exclude=own)
    return (type(row), *(tuple(v) if isinstance(v, list) else v for v in told.values()))
