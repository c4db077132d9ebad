"""`clinicbus audit-bus`: one change, one event, one effect per subscriber, from ground truth alone.

`ledger` judges, and knows neither database nor bus; `reading` brings it what they hold; `command`
is the command.
"""

from ops.audit_bus.command import app

__all__ = ["app"]
