"""Demographics as a whole: what somebody sent, checked, and what changes from one to another."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from services.patients.domain.address import Address, address_key, checked_address
from services.patients.domain.birth import Gender, checked_birth_date, checked_death_date
from services.patients.domain.contact import checked_email, checked_phone, email_search
from services.patients.domain.matching import Identity, identity_of
from services.patients.domain.names import PersonName, checked_name
from services.patients.domain.verification import Field
from shared.values.errors import Invalid


class PhoneUse(StrEnum):
    """What a telephone number is for."""

    MOBILE = "mobile"
    HOME = "home"
    WORK = "work"
    OTHER = "other"


class AddressUse(StrEnum):
    """What an address is for."""

    HOME = "home"
    MAILING = "mailing"
    WORK = "work"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Phone:
    """A number in E.164."""

    number: str
    use: PhoneUse


@dataclass(frozen=True, slots=True)
class Place:
    """An address and what it is for."""

    address: Address
    use: AddressUse


@dataclass(frozen=True, slots=True)
class Demographics:
    """What a record says of a person. Lists are in the order in which the person gave them."""

    name: PersonName
    birth_date: date
    death_date: date | None = None
    gender: Gender = Gender.UNKNOWN
    phones: tuple[Phone, ...] = ()
    emails: tuple[str, ...] = ()
    addresses: tuple[Place, ...] = ()

    @property
    def identity(self) -> Identity:
        """What this person is told apart by."""
        return identity_of(
            self.name,
            self.birth_date,
            gender=self.gender,
            phones=(phone.number for phone in self.phones),
            emails=map(email_search, self.emails),
            addresses=(address_key(place.address) for place in self.addresses),
        )


VERIFIED_AS: Mapping[str, Field] = {
    "name": Field.NAME,
    "birth_date": Field.BIRTH_DATE,
    "gender": Field.GENDER,
    "phones": Field.PHONE,
    "emails": Field.EMAIL,
    "addresses": Field.ADDRESS,
}
"""Which field of a verification a member belongs to. A date of death is not gone through."""

MEMBERS = ("name", "birth_date", "death_date", "gender", "phones", "emails", "addresses")


def checked(given: Mapping[str, Any]) -> Demographics:
    """The demographics of a request's members, each part checked; nothing here knows the day.

    Raises what the rules of names, telephones, e-mail and addresses raise, each at its member, and
    Invalid ``contact.twice`` where a list names the same thing twice.
    """
    phones = tuple(
        Phone(checked_phone(phone["number"], pointer=f"/phones/{at}/number"), phone["use"])
        for at, phone in enumerate(given.get("phones") or ())
    )
    emails = tuple(
        checked_email(email, pointer=f"/emails/{at}")
        for at, email in enumerate(given.get("emails") or ())
    )
    places = tuple(
        _place(place, f"/addresses/{at}") for at, place in enumerate(given.get("addresses") or ())
    )
    _once([phone.number for phone in phones], "/phones")
    _once([email_search(email) for email in emails], "/emails")
    _once(places, "/addresses")
    return Demographics(
        name=checked_name(**given["name"]),
        birth_date=given["birth_date"],
        death_date=given.get("death_date"),
        gender=given.get("gender", Gender.UNKNOWN),
        phones=phones,
        emails=emails,
        addresses=places,
    )


def checked_dates(found: Demographics, today: date) -> Demographics:
    """The demographics themselves. today: the latest date that a clinic's clocks show.

    Raises what `checked_birth_date` and `checked_death_date` raise.
    """
    checked_birth_date(found.birth_date, today)
    if found.death_date is not None:
        checked_death_date(found.death_date, found.birth_date, today)
    return found


def changed_members(before: Demographics, after: Demographics) -> list[str]:
    """The names of the members that differ, in their usual order."""
    return [name for name in MEMBERS if getattr(before, name) != getattr(after, name)]


def members_of(found: Demographics) -> dict[str, Any]:
    """The demographics as the members that `checked` takes: what a merge patch is applied to."""
    return {
        "name": asdict(found.name),
        "birth_date": found.birth_date,
        "death_date": found.death_date,
        "gender": found.gender,
        "phones": [{"number": phone.number, "use": phone.use} for phone in found.phones],
        "emails": list(found.emails),
        "addresses": [{**asdict(place.address), "use": place.use} for place in found.addresses],
    }


def patched(before: Demographics, patch: Mapping[str, Any]) -> Demographics:
    """The demographics after a merge patch (RFC 7396): null takes a member away, lists are whole.

    Raises Invalid ``member.required`` where the name or the date of birth is taken away, and what
    `checked` raises.
    """
    after = _merged(members_of(before), patch)
    for member in ("name", "birth_date"):
        if member not in after:
            raise Invalid("member.required", "This cannot be taken away.", pointer=f"/{member}")
    after["name"] = {"family": None, "given": None, **after["name"]}
    return checked(after)


def _merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    after = dict(target)
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, Mapping):
            after[name] = _merged(after.get(name) or {}, value)
        else:
            after[name] = value
    return after


def _place(given: Mapping[str, Any], pointer: str) -> Place:
    parts = {name: value for name, value in given.items() if name != "use"}
    return Place(checked_address(**parts, pointer=pointer), given["use"])


def _once(values: Sequence[object], pointer: str) -> None:
    if len(set(values)) < len(values):
        raise Invalid("contact.twice", "The list names the same thing twice.", pointer=pointer)
