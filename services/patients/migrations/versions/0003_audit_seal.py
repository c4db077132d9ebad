"""The audit is sealed."""

from shared.db.audit_seals import create_audit_seals
from shared.db.migrate import executor

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    create_audit_seals(executor(), "patients")
