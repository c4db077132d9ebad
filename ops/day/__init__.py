"""`clinicbus day`: plays a working day of a clinic network through its APIs and checks it."""

from ops.day.command import app

__all__ = ["app"]
