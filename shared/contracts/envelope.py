"""Events on the wire: CloudEvents 1.0 in binary mode (attributes as headers, JSON data as value).

Attributes beyond the standard (CloudEvents 1.0, section 3.2): `partitionkey`, `subjectseq` (one per
event of the subject, 1..n without a hole), `tenant` (the network), `clinic`, `actor`,
`correlationid`, `causationid`, `dataclassification`, `recordedtime` (when it was written down).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

PREFIX = "clinicbus"
VALUE_BYTES_MAX = 64 * 1024
PARTITIONS = 12
SEQUENCE_MAX = 2**63 - 1
"""What a database keeps of a subject's number."""

Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]
"""A coded value. The bus carries no free text: every string of an event is a Code or an enum."""

Headers = tuple[tuple[str, str], ...]

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_known_id = lru_cache(maxsize=1024)(UUID)
"""Of networks and clinics, which are few and come with every event."""


@dataclass(frozen=True, slots=True)
class Before:
    """The version of an event before this one; see `shared.contracts.versions`.

    `up` makes of an event of that version one of this: pure, and kept for ever, as records are.
    `down` does the reverse. While it is given, who says this version says the other with it: the
    window in which both are published, meant to last until the day `until`.
    """

    event: "type[Event]"
    up: "Callable[[Any], Event]"
    down: "Callable[[Any], Event] | None" = None
    until: date | None = None

    def __post_init__(self) -> None:
        if (self.down is None) != (self.until is None):
            raise ValueError("a window is declared with `down` and the day it is meant to end")


class Event(BaseModel):
    """A fact that a service states. Readers ignore members they do not know.

    Class variables: `name` (`appointment.booked`), `version`, `producer`, `aggregate` (names the
    topic and the subject), `subject_field` (the member that holds the aggregate's id), `before`
    (the version before this one, where there is one), `expected` (agreed on with who will say it,
    and said by nobody yet: who hears it is tested with its sample).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    producer: ClassVar[str]
    aggregate: ClassVar[str]
    name: ClassVar[str]
    version: ClassVar[int] = 1
    before: ClassVar[Before | None] = None
    expected: ClassVar[bool] = False
    subject_field: ClassVar[str]

    @classmethod
    def wire_type(cls) -> str:
        """The CloudEvents `type`, literal parts only: `clinicbus.<producer>.<name>.v<version>`."""
        return f"{PREFIX}.{cls.producer}.{cls.name}.v{cls.version}"

    @classmethod
    def topic(cls) -> str:
        """The topic of the aggregate: `clinicbus.<producer>.<aggregate>.v1`."""
        return topic_of(cls.producer, cls.aggregate)

    @property
    def subject_id(self) -> UUID:
        """The id of the aggregate whose row changed."""
        found = getattr(self, self.subject_field)
        if not isinstance(found, UUID):
            raise TypeError(f"{self.subject_field} of {self.name} is not a UUID")
        return found

    @property
    def subject(self) -> str:
        """The CloudEvents `subject`: `<aggregate>/<id>`."""
        return f"{self.aggregate}/{self.subject_id}"

    @classmethod
    def example(cls) -> Self:
        """The committed sample of this event, from its `examples`."""
        extra = cls.model_config.get("json_schema_extra")
        if not isinstance(extra, dict):
            raise TypeError(f"{cls.__name__} has no example")
        examples = extra["examples"]
        if not isinstance(examples, list):
            raise TypeError(f"{cls.__name__} has no example")
        return cls.model_validate(examples[0], strict=False)


def topic_of(producer: str, aggregate: str) -> str:
    """The topic of a producer's events of one aggregate, in the order of each subject."""
    return f"{PREFIX}.{producer}.{aggregate}.v1"


class Envelope(NamedTuple):
    """What the headers of an event say."""

    id: UUID
    type: str
    source: str
    subject: str
    time: datetime
    subject_seq: int
    network_id: UUID
    actor: str
    correlation_id: UUID
    causation_id: UUID | None
    clinic_id: UUID | None
    traceparent: str | None


class Unreadable(Exception):
    """The bytes are not an event of ours: they name no subject, network or sequence, or lie."""


class UnknownEvent(Exception):
    """A well-formed envelope of a type or version that this reader does not know."""


def headers_of(envelope: Envelope, event: Event, recorded: datetime | None = None) -> Headers:
    """The headers of an event in the order in which they are stored and sent."""
    pairs: list[tuple[str, str]] = [
        ("ce_specversion", "1.0"),
        ("ce_id", str(envelope.id)),
        ("ce_type", envelope.type),
        ("ce_source", envelope.source),
        ("ce_subject", envelope.subject),
        ("ce_time", _text_of(envelope.time)),
        ("ce_dataschema", f"urn:{envelope.type.replace('.', ':')}"),
        ("ce_partitionkey", str(event.subject_id)),
        ("ce_subjectseq", str(envelope.subject_seq)),
        ("ce_tenant", str(envelope.network_id)),
        ("ce_actor", envelope.actor),
        ("ce_correlationid", str(envelope.correlation_id)),
        ("ce_dataclassification", "restricted"),
        ("content-type", "application/json"),
    ]
    if envelope.clinic_id is not None:
        pairs.append(("ce_clinic", str(envelope.clinic_id)))
    if envelope.causation_id is not None:
        pairs.append(("ce_causationid", str(envelope.causation_id)))
    if envelope.traceparent is not None:
        pairs.append(("ce_traceparent", envelope.traceparent))
    if recorded is not None:
        pairs.append(("ce_recordedtime", _text_of(recorded)))
    return tuple(pairs)


def recorded_at(headers: Mapping[str, str]) -> datetime | None:
    """When an event was written down, by real time; None where its headers do not say.

    `ce_time` is when it happened by the clock of the business, and in an effect when its cause did.
    """
    try:
        moment = datetime.fromisoformat(headers["ce_recordedtime"])
    except (KeyError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None


def _text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def envelope_of(headers: Sequence[tuple[str, str]]) -> Envelope:
    """The envelope of a record's headers. Raises Unreadable; the message names no value."""
    got = dict(headers)
    if len(got) != len(headers):
        raise Unreadable("a header twice")
    try:
        if got["ce_specversion"] != "1.0":
            raise Unreadable("specversion")
        subject = got["ce_subject"]
        kind, _, key = subject.partition("/")
        if not _ID.fullmatch(key):
            raise Unreadable("a header has the wrong shape")
        if not kind or key != got["ce_partitionkey"]:
            raise Unreadable("subject")
        sequence = int(got["ce_subjectseq"])
        moment = datetime.fromisoformat(got["ce_time"])
        if not 1 <= sequence <= SEQUENCE_MAX or moment.tzinfo is None:
            raise Unreadable("sequence or time")
        return Envelope(
            id=UUID(got["ce_id"]),
            type=got["ce_type"],
            source=got["ce_source"],
            subject=subject,
            time=moment.astimezone(UTC),
            subject_seq=sequence,
            network_id=_known_id(got["ce_tenant"]),
            actor=got["ce_actor"],
            correlation_id=UUID(got["ce_correlationid"]),
            causation_id=UUID(got["ce_causationid"]) if "ce_causationid" in got else None,
            clinic_id=_known_id(got["ce_clinic"]) if "ce_clinic" in got else None,
            traceparent=got.get("ce_traceparent"),
        )
    except KeyError as error:
        raise Unreadable(f"no {error.args[0]}") from None
    except (ValueError, OverflowError):  # the first of all days, east of UTC, has no time in UTC
        raise Unreadable("a header has the wrong shape") from None
