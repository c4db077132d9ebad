"""Which lines of a 271 apply to a service: the most specific ones."""

from collections.abc import Collection, Iterable, Sequence

from services.eligibility.domain.benefits import Benefit
from services.eligibility.domain.codes import EITHER_NETWORK, IN_NETWORK, OUT_OF_NETWORK, PLAN

_LEVELS = {"IND": 0, "": 0}
_FAMILY = frozenset({"FAM", "ECH", "ESP", "SPC"})

Rank = tuple[int, int, int]


def best(
    lines: Iterable[Benefit], codes: Collection[str], wanted: Sequence[str], *, in_network: bool
) -> list[Benefit]:
    """The lines with one of `codes` (EB01) that fit best; several where they tie.

    wanted: service types from the most to the least specific, e.g. ``("98", "30")``. A service type
    counts before the network, the network before the level (individual before family). Lines about
    one procedure are left to those who know the procedure.
    """
    ranked = ranks(lines, codes, wanted, in_network=in_network)
    top = min((rank for rank, _ in ranked), default=None)
    return [line for rank, line in ranked if rank == top]


def ranks(
    lines: Iterable[Benefit], codes: Collection[str], wanted: Sequence[str], *, in_network: bool
) -> list[tuple[Rank, Benefit]]:
    """Every line that applies, with how well: service type, network, level; lower is better."""
    found: list[tuple[Rank, Benefit]] = []
    for line in lines:
        service, network = _service_rank(line, wanted), _network_rank(line, in_network=in_network)
        if (
            line.code in codes
            and not line.procedure
            and service is not None
            and network is not None
        ):
            found.append(((service, network, _LEVELS.get(line.level, 1)), line))
    return found


def _service_rank(line: Benefit, wanted: Sequence[str]) -> int | None:
    types = line.service_types or (PLAN,)
    return next((rank for rank, code in enumerate(wanted) if code in types), None)


def _network_rank(line: Benefit, *, in_network: bool) -> int | None:
    own = IN_NETWORK if in_network else OUT_OF_NETWORK
    return {own: 0, EITHER_NETWORK: 1, "": 2}.get(line.network)


def is_family(line: Benefit) -> bool:
    """Whether the line counts for more than one person."""
    return line.level in _FAMILY


def amounts(lines: Iterable[Benefit]) -> list[int]:
    """The different amounts of the lines, in cents, the smallest first."""
    return sorted({line.amount_cents for line in lines if line.amount_cents is not None})
