"""${message}"""

from shared.db.migrate import executor

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    execute = executor()
