"""The token of a card is kept with its errand until the outcome is known, and no longer."""

from shared.db.migrate import executor

revision = "0007"
down_revision = "0006"

# An errand is found by what it is about when its card's token is wiped.
INDEX = "CREATE INDEX intent_by_subject ON intent (network_id, subject_id)"
WIPE = """
UPDATE intent SET body = body - 'card_token'
WHERE kind = 'charge_card' AND body ? 'card_token' AND EXISTS (
  SELECT 1 FROM payments p WHERE p.network_id = intent.network_id AND p.id = intent.subject_id
  AND p.status NOT IN ('initiated', 'pending', 'unknown'))
"""
"""Those of an earlier version."""


def upgrade() -> None:
    execute = executor()
    execute(INDEX)
    # Forced row security hides every row from the owner, too.
    for table in ("intent", "payments"):
        execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    execute(WIPE)
    for table in ("intent", "payments"):
        execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
