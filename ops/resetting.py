"""`clinicbus reset`: forgets the data of a stopped system."""

import shutil

from ops import leftovers, postgres, state, supervisor
from ops.errors import CannotRun
from ops.layout import Layout


def reset(layout: Layout) -> str:
    """Delete a data folder that is ours and stopped; what was done, in one sentence."""
    if not layout.root.exists():
        return f"There is no data in {layout.root}."
    if not layout.run.exists():
        raise CannotRun(f"{layout.root} is not a ClinicBus data folder: it is left alone.")
    supervisor.require_stopped(layout, "reset it")
    leftovers.end(state.read(layout.state))
    if layout.kafka.exists():
        from ops import kafka  # most systems have none

        kafka.forget(layout.kafka)
    postgres.forget(layout.postgres)
    shutil.rmtree(layout.root)
    return f"The data in {layout.root} is forgotten."
