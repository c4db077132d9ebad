"""Seats of group sessions that become free are held and offered as times of providers are."""

from shared.db.migrate import executor

revision = "0017"
down_revision = "0016"

TABLES = ("holds", "released_slots", "waitlist_offers")
CHANGES = (
    *(
        f"ALTER TABLE {table} ADD COLUMN session_id uuid,"
        " ADD FOREIGN KEY (network_id, session_id) REFERENCES sessions (network_id, id)"
        for table in TABLES
    ),
    # A session has many seats at one time of its provider; that none of them has two owners is
    # held by the lanes of `occupancies`, and that none is offered twice by the slot.
    "DROP INDEX waitlist_offers_one_a_slot",
    "CREATE UNIQUE INDEX waitlist_offers_one_a_slot ON waitlist_offers"
    " (network_id, provider_id, starts_at) WHERE state = 'made' AND session_id IS NULL",
    "CREATE UNIQUE INDEX waitlist_offers_one_a_seat ON waitlist_offers (network_id, slot_id)"
    " WHERE state = 'made' AND session_id IS NOT NULL",
    "CREATE INDEX holds_of_session ON holds (network_id, session_id)"
    " WHERE state = 'held' AND session_id IS NOT NULL",
    "CREATE INDEX waitlist_offers_of_session ON waitlist_offers (network_id, session_id)"
    " WHERE state = 'made' AND session_id IS NOT NULL",
)


def upgrade() -> None:
    execute = executor()
    for text in CHANGES:
        execute(text)
