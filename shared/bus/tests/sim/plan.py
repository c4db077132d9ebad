"""What one seed is about: how many of each, how long things take, and what goes wrong how often."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is fixed for a run. Rates are chances, or events a second for `*_every`."""

    fenced: bool
    """Whether the bus compares epochs, as the Postgres bus does; else as Kafka."""
    forgetful: bool
    """Whether the bus loses history, which operators then send again."""
    networks: int
    subjects: int
    writers: int
    consumers: int
    seconds: float
    """For how long things go wrong."""
    lag: float
    """How long a statement takes on average."""
    think: float
    """How long a writer waits between two transactions."""
    batch_rows: int
    poll_records: int
    day_seconds: float
    full_seconds: float
    gives_up: float
    poison: float
    unreadable: float
    unheard: float
    breaks: float
    """Of a statement: the connection breaks off."""
    silent: float
    """Of a commit or an append: done or not, its answer is lost."""
    transient: float
    slow: float
    kill_every: float
    pause_every: float
    deal_every: float
    outage_every: float
    repeat_every: float
    junk_every: float
    forget_every: float

    @staticmethod
    def of(random: random.Random) -> "Plan":
        """Draw a plan. Each kind of trouble is left out of some runs, so that others show."""

        def maybe(rate: float, chance: float = 0.7) -> float:
            return rate * random.uniform(0.5, 2.0) if random.random() < chance else 0.0

        forgetful = random.random() < 0.12
        day = random.choice((6.0, 12.0, 1000.0))
        return Plan(
            fenced=random.random() < 0.5,
            forgetful=forgetful,
            networks=random.randint(1, 3),
            subjects=random.randint(2, 6),
            writers=random.randint(2, 4),
            consumers=random.randint(1, 3),
            seconds=random.uniform(8.0, 24.0),
            lag=random.choice((0.005, 0.02, 0.05)),
            think=random.uniform(0.2, 0.9),
            batch_rows=random.randint(2, 8),
            poll_records=random.randint(2, 12),
            day_seconds=day,
            full_seconds=day * 1.5,
            gives_up=maybe(0.1),
            poison=maybe(0.03),
            unreadable=maybe(0.01, 0.4),
            unheard=maybe(0.1),
            breaks=maybe(0.003),
            silent=maybe(0.03),
            transient=maybe(0.05),
            slow=maybe(0.02, 0.4),
            kill_every=maybe(0.15),
            pause_every=maybe(0.2),
            deal_every=maybe(0.2),
            outage_every=maybe(0.08),
            repeat_every=maybe(0.3),
            junk_every=maybe(0.1, 0.4),
            forget_every=0.15 if forgetful else 0.0,
        )
