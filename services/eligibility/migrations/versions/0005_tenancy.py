"""What keeps networks apart says nothing to a setting that cannot be read."""

from shared.db.migrate import executor
from shared.db.tenancy import upgrade_tenancy_0005

revision = "0005"
down_revision = "0003"


def upgrade() -> None:
    upgrade_tenancy_0005(executor())
