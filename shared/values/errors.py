"""Errors that a rule can raise, free of HTTP.

    DomainError
    ├── Malformed      it could not be read                        (HTTP 400)
    ├── Invalid        it is unacceptable in itself                (HTTP 422)
    ├── Forbidden      the caller may not                          (HTTP 403)
    │   └── ProofWanted    … until they prove again who they are       (HTTP 401)
    ├── NotFound       there is none that the caller may know of   (HTTP 404)
    │   └── NotYetHeard    … or the event that tells of it is on its way
    ├── Conflict       not now: the state forbids it               (HTTP 409)
    ├── Stale          the caller's version is not the current one (HTTP 412)
    ├── VersionMissing a version was needed and none was given     (HTTP 428)
    ├── TooLarge       over a limit on size                        (HTTP 413)
    ├── Unsupported    a content type that is not taken            (HTTP 415)
    ├── Busy           try again in a moment                       (HTTP 429)
    └── Unavailable    something that is needed is down            (HTTP 503)

`shared.web.problems` alone turns a kind into a status.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal with a stable code.

    code: dotted, lower case, stable for ever, e.g. ``slot.taken``.
    title: one sentence for a person. It never repeats what the caller sent.
    pointer: JSON Pointer (RFC 6901) of the member at fault, or None.
    facts: further members of the problem document: ids, times, amounts, rule ids; never a name.
    """

    kind: ClassVar[str] = "conflict"

    def __init__(
        self,
        code: str,
        title: str,
        *,
        pointer: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.title = title
        self.pointer = pointer
        self.facts: dict[str, Any] = dict(facts or {})


class Malformed(DomainError):
    """It could not be read."""

    kind = "malformed"


class Invalid(DomainError):
    """It is unacceptable in itself, whatever the state."""

    kind = "invalid"


class InvalidFields(Invalid):
    """Several members are at fault at once; each is (JSON Pointer, code)."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("request.invalid", "Some members of the request are not acceptable.")
        self.errors = list(errors)


class Forbidden(DomainError):
    """The caller may not do this."""

    kind = "forbidden"


class ProofWanted(Forbidden):
    """The caller may, once they have proven again who they are."""

    kind = "proof_wanted"


class NotFound(DomainError):
    """There is none, or none that the caller may know of."""

    kind = "not_found"

    def __init__(self, code: str = "not_found", title: str = "There is no such thing.") -> None:
        super().__init__(code, title)


class Conflict(DomainError):
    """Not now: the state forbids it."""

    kind = "conflict"


class Stale(DomainError):
    """The caller's version is not the current one."""

    kind = "stale"


class VersionMissing(DomainError):
    """A version was needed and none was given."""

    kind = "version_missing"


class TooLarge(DomainError):
    """It is over a limit on size."""

    kind = "too_large"


class Unsupported(DomainError):
    """A content type that is not taken."""

    kind = "unsupported"


class Busy(DomainError):
    """Somebody else holds it; try again in a moment.

    retry_after: in how many seconds, where that is known.
    """

    kind = "busy"
    retry_after: int | None = None


class Unavailable(DomainError):
    """Something that is needed is down."""

    kind = "unavailable"


class IllegalTransition(Conflict):
    """A closed status table has no such move."""

    def __init__(self, dimension: str, now: str, move: str, allowed: Sequence[str]) -> None:
        super().__init__(
            f"{dimension}.illegal_transition",
            "The current status does not allow this.",
            facts={"status": now, "move": move, "allowed": sorted(allowed)},
        )


class NotYetHeard(NotFound):
    """There is none here, but another service may just have made it and the event be on its way.

    The chassis waits a moment and tries again before it gives this as the answer.
    """
