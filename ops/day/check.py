"""What a check of the day says."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it looked at, how much of it, and what is wrong."""

    name: str
    counted: int
    unit: str
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it saw something and all of it was right."""
        return self.counted > 0 and not self.problems

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "name": self.name,
            "ok": self.ok,
            "counted": self.counted,
            "unit": self.unit,
            "problems": self.problems[:10],
        }
