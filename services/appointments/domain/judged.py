"""A booking before its rules: which of them decide, and what they say."""

from collections.abc import Iterable, Set
from dataclasses import dataclass, replace

from services.appointments.domain.resources import AppointmentType
from services.appointments.domain.rule_checks import CHECKS
from services.appointments.domain.rules import (
    Asked,
    Rule,
    RuleKind,
    broken,
    built_in,
    deciding,
    refusal,
    wave_of,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """The rules that decide of what is asked, one of each kind."""

    rules: tuple[Rule, ...]
    asked: Asked

    def require(self) -> None:
        """Raise the refusal of the first rule that stands in the way (see `rule_checks`)."""
        found = broken(self.rules, self.asked, CHECKS)
        if found is not None:
            raise refusal(*found)

    def require_overbooking(self) -> None:
        """Raise Conflict ``overbook.hour_quota_used`` where the hour has as many as it may."""
        Judged(self.rules, replace(self.asked, overbooked=True)).require()

    @property
    def of_network(self) -> tuple[Rule, ...]:
        """Those that the network entered; what a kind of visit brings with it is left out."""
        return tuple(rule for rule in self.rules if rule.version)

    def capacity(self, normal: int) -> int:
        """How many visits at once are normal: in a wave, all that come together."""
        return max(normal, wave_of(self.rules) or 0)


def judged(
    asked: Asked,
    kind: AppointmentType,
    rules: Iterable[Rule],
    waived: Set[RuleKind] = frozenset(),
) -> Judged:
    """What decides of `asked`: rules of the network, and those that the kind of visit brings.

    waived: kinds that are not asked, for telling what else there would be in the way.
    """
    every = (*built_in(kind), *rules)
    chosen = deciding(every, asked.clinic_id, asked.type_id, asked.provider_id, asked.day)
    return Judged(tuple(rule for rule in chosen if rule.kind not in waived), asked)
