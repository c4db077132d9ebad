"""Runs a module in a process whose wall clock is off: `python -m tests.faults.skewed HOURS MODULE`.

Everything in Python that asks for the time of day is told another; the monotonic clock, by which
waits and timeouts are measured, goes on as it does where a clock is set wrong.
"""

import datetime
import runpy
import sys
import time
from typing import Self


def main(hours: float, module: str) -> None:
    """Shift the clock, then run the module as `python -m` does, with what is left of sys.argv."""
    shift = hours * 3600
    true_time, true_ns = time.time, time.time_ns

    class Shifted(datetime.datetime):
        """A datetime that reads the shifted clock."""

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(true_time() + shift, tz)

    time.time = lambda: true_time() + shift
    time.time_ns = lambda: true_ns() + int(shift * 1e9)
    setattr(datetime, "datetime", Shifted)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _hours, _module = float(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    main(_hours, _module)
