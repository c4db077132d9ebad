"""Play many seeds: `python -m shared.bus.tests.sim --seeds 1000 --from 0`.

Exit code 1 where one fails, with the reason, the end of its trace and how to play it again. With
`--mutant NAME` a planted bug is looked for instead, and found is what is wanted.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from multiprocessing import Pool, cpu_count

from shared.bus.tests.sim.mutants import MUTANTS, first_seed
from shared.bus.tests.sim.world import Violation, World

TAIL = 60
BLOCK = 50
SAY_SECONDS = 10.0


def played(seeds: range) -> list[tuple[int, str]]:
    """Play seeds; those that failed, and how."""
    failed = []
    for seed in seeds:
        try:
            World(seed).run()
        except Violation as violation:
            failed.append((seed, str(violation)))
        except Exception as error:
            failed.append((seed, repr(error)))
    return failed


def blocks(first: int, count: int) -> Iterator[range]:
    """The seeds in portions."""
    for start in range(first, first + count, BLOCK):
        yield range(start, min(start + BLOCK, first + count))


def show(seed: int, reason: str) -> None:
    """One failed seed: the reason, the trace's tail, and how to play it again."""
    world = World(seed)
    try:
        world.run()
    except Exception as error:
        again = str(error) or repr(error)
        if reason not in (again, repr(error)):
            say(f"seed {seed} was another run the second time: {again}")
    say(f"\nseed {seed}: {reason}\n{world.plan}")
    for line in world.told()[-TAIL:]:
        say(line)
    say(f"play it again: make sim SEEDS=1 FROM={seed}")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="sim")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--mutant", choices=[*MUTANTS, "all"])
    chosen = parser.parse_args()
    if chosen.mutant:
        missed = 0
        for name in list(MUTANTS) if chosen.mutant == "all" else [chosen.mutant]:
            found = first_seed(name, chosen.first, chosen.seeds)
            missed += found is None
            say(f"{name:45} {'not found' if found is None else f'seed {found[0]}: {found[1]}'}")
        return 1 if missed else 0
    began = said = time.monotonic()
    done, failed = 0, list[tuple[int, str]]()
    with Pool(cpu_count()) as pool:
        for bad in pool.imap_unordered(played, blocks(chosen.first, chosen.seeds)):
            done, failed = min(done + BLOCK, chosen.seeds), failed + bad
            if time.monotonic() - said > SAY_SECONDS:
                said = time.monotonic()
                say(f"{done} of {chosen.seeds} seeds, {len(failed)} failed")
    seconds = time.monotonic() - began
    for seed, reason in sorted(failed)[:3]:
        show(seed, reason)
    rate = chosen.seeds / seconds
    say(f"{chosen.seeds} seeds from {chosen.first}: {len(failed)} failed; {rate:.0f} seeds/s")
    if failed:
        say(f"failed: {sorted(seed for seed, _ in failed)[:20]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
