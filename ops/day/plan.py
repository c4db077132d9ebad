"""What will happen on the day: drawn from a seed, before anything is played. Pure."""

import random
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T", bound=StrEnum)

PROVIDERS_A_CLINIC = 3
CLINICS = 2

FAMILY = (
    "Abara", "Bergström", "Castillo", "Dubois", "Eriksen", "Fontaine", "Gutiérrez", "Hoang",
    "Ibrahim", "Jankowski", "Kowalczyk", "Lombardi", "Mbeki", "Nakamura", "O'Connor", "Petrov",
    "Quispe", "Rossi", "Sørensen", "Tanaka", "Ueda", "Vargas", "Weiss", "Xiong", "Yılmaz", "Zhou",
)  # fmt: skip
GIVEN = (
    "Amara", "Björn", "Carmen", "Dmitri", "Elif", "Farid", "Grace", "Hana", "Ivo", "Jasmin",
    "Kofi", "Lucía", "Marek", "Noor", "Olga", "Pablo", "Quinn", "Rosa", "Samir", "Tove",
)  # fmt: skip
"""Invented: made up of common names, about nobody."""


class Cover(StrEnum):
    """What the payer will say of a patient's cover."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNANSWERED = "unanswered"
    SELF_PAY = "self_pay"


class Course(StrEnum):
    """What becomes of a visit."""

    KEPT = "kept"
    MOVED_AND_KEPT = "moved_and_kept"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    WALK_IN = "walk_in"


class Pay(StrEnum):
    """How the patient pays at the desk."""

    CASH = "cash"
    CHECK = "check"
    CARD = "card"
    CARD_DECLINED_THEN_CASH = "card_declined_then_cash"
    CARD_ANSWER_LOST = "card_answer_lost"


@dataclass(frozen=True, slots=True)
class Person:
    """Who comes. `known`: registered, with consents and demographics gone through, before the
    day; the others are registered on it."""

    number: int
    family: str
    given: str
    birth_date: date
    phone: str
    cover: Cover
    known: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of the day. order: its place among its provider's visits. refund: the biller
    gives part of the payment back."""

    number: int
    clinic: int
    provider: int
    order: int
    person: Person
    course: Course
    pay: Pay
    uploads: bool
    confirms: bool
    refund: bool


@dataclass(frozen=True, slots=True)
class Day:
    """The whole day."""

    seed: int
    visits: tuple[Visit, ...]

    def of(self, clinic: int) -> list[Visit]:
        """The visits of a clinic, in the order of their place."""
        found = [visit for visit in self.visits if visit.clinic == clinic]
        return sorted(found, key=lambda visit: (visit.order, visit.provider))


_COURSES = (
    (Course.KEPT, 72),
    (Course.MOVED_AND_KEPT, 8),
    (Course.CANCELLED, 7),
    (Course.NO_SHOW, 6),
    (Course.WALK_IN, 7),
)
_COVERS = (
    (Cover.ACTIVE, 66),
    (Cover.INACTIVE, 9),
    (Cover.UNANSWERED, 8),
    (Cover.SELF_PAY, 17),
)
_PAYS = (
    (Pay.CASH, 34),
    (Pay.CHECK, 16),
    (Pay.CARD, 38),
    (Pay.CARD_DECLINED_THEN_CASH, 6),
    (Pay.CARD_ANSWER_LOST, 6),
)


def planned(visits: int, seed: int) -> Day:
    """The day of a seed. Every course, cover and way to pay comes at least once in 60 visits."""
    draw = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    courses = _spread(draw, _COURSES, visits)
    covers = _spread(draw, _COVERS, visits)
    pays = _spread(draw, _PAYS, visits)
    providers = CLINICS * PROVIDERS_A_CLINIC
    made = []
    for number in range(visits):
        clinic, provider = divmod(number % providers, PROVIDERS_A_CLINIC)
        walk_in = courses[number] is Course.WALK_IN
        made.append(
            Visit(
                number=number,
                clinic=clinic,
                provider=provider,
                order=number // providers,
                person=_person(draw, number, covers[number], known=not walk_in and _often(draw)),
                course=courses[number],
                pay=pays[number],
                uploads=draw.random() < 0.3,
                confirms=draw.random() < 0.4,
                refund=draw.random() < 0.04,
            )
        )
    return Day(seed, tuple(made))


def _often(draw: random.Random) -> bool:
    return draw.random() < 0.75


def _spread(draw: random.Random, weights: tuple[tuple[T, int], ...], count: int) -> list[T]:
    """`count` values in the proportion of the weights, shuffled: each share is held exactly."""
    whole = sum(weight for _, weight in weights)
    found: list[T] = []
    for value, weight in weights:
        found += [value] * max(1, round(count * weight / whole))
    while len(found) < count:
        found.append(weights[0][0])
    draw.shuffle(found)
    # What is cut off is what there is most of: the first value stands for the ordinary case.
    while len(found) > count:
        found.remove(weights[0][0])
    return found


def _person(draw: random.Random, number: int, cover: Cover, *, known: bool) -> Person:
    day = date(1940, 1, 1).toordinal() + draw.randrange(28_000)
    return Person(
        number=number,
        family=draw.choice(FAMILY),
        given=draw.choice(GIVEN),
        birth_date=date.fromordinal(day),
        phone=f"+1303555{number % 10000:04d}",
        cover=cover,
        known=known,
    )
