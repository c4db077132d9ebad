"""What a migration does to rows that were there before it."""

import json
from collections.abc import Iterator
from uuid import UUID

import pytest

from shared.db.revisions import newest_revision
from shared.testing.older import Older, older_database
from shared.values.ids import new_id

NETWORK = new_id()
PAYMENT = """
INSERT INTO payments (id, network_id, patient_id, clinic_id, method, status, amount_cents, currency,
  refunded_cents, business_date, taken_at, taken_by, posted_at, version)
SELECT $1, $2, $1, $1, 'card', $3, 3000, 'USD', 0, date '2026-11-02', now(), 'person/dana',
  CASE WHEN $3 IN ('posted', 'refunded') THEN now() END, 1
"""


@pytest.fixture
def older(postgres_superuser_url: str) -> Iterator[Older]:
    """A database of payments in which nothing is yet."""
    with older_database(postgres_superuser_url, "payments") as found:
        yield found


def charged(older: Older, status: str) -> UUID:
    """A card payment as a version before 0007 left it, with its errand."""
    made = new_id()
    older.rows(PAYMENT, made, NETWORK, status)
    told = json.dumps({"card_token": "sim_ok", "amount_cents": 3000})
    older.rows(
        "INSERT INTO intent (network_id, id, kind, subject_id, body, actor, correlation_id)"
        " VALUES ($1, $2, 'charge_card', $2, $3, 'person/dana', $2)",
        NETWORK,
        made,
        told,
    )
    return made


def test_0007_wipes_the_tokens_of_cards_whose_outcome_is_known(older: Older) -> None:
    older.upgrade("0005")
    known = {charged(older, status) for status in ("posted", "declined", "refunded")}
    unknown = {charged(older, status) for status in ("initiated", "pending", "unknown")}
    older.upgrade("0007")
    left = older.rows("SELECT subject_id FROM intent WHERE body ? 'card_token'")
    assert {row["subject_id"] for row in left} == unknown
    kept = older.rows("SELECT subject_id FROM intent WHERE body ->> 'amount_cents' = '3000'")
    assert {row["subject_id"] for row in kept} == known | unknown
    forced = older.rows("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
    assert {"intent", "payments"} <= {row["relname"] for row in forced}
    assert newest_revision("payments") >= "0007"
