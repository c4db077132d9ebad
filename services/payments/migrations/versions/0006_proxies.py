"""Whom a portal token's person may act for, as the service of people says it."""

from shared.db import proxies
from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    execute = executor()
    proxies.create(execute)
    protect_clinic_table(execute, "proxies", "payments_app")
