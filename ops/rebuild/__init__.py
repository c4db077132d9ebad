"""`clinicbus rebuild`: makes what a service heard again from the topics, and compares."""

from ops.rebuild.command import app

__all__ = ["app"]
