"""What messages may come by, and that a proxy may be let to answer them."""

from shared.db.mechanism import protect_clinic_table
from shared.db.migrate import executor

revision = "0008"
down_revision = "0006"


def upgrade() -> None:
    execute = executor()
    execute("""
CREATE TABLE message_preferences (
  network_id uuid NOT NULL,
  patient_id uuid NOT NULL,
  channels text[] NOT NULL CHECK (channels <@ ARRAY['email', 'sms', 'voice']
    AND cardinality(channels) <= 3),
  time_zone text,
  preferred_at timestamptz NOT NULL,
  preferred_by text NOT NULL,
  PRIMARY KEY (network_id, patient_id),
  FOREIGN KEY (network_id, patient_id) REFERENCES patients (network_id, id))
""")
    protect_clinic_table(execute, "message_preferences", "patients_app")
    execute("ALTER TABLE proxies DROP CONSTRAINT proxies_scope_check")
    execute("""
ALTER TABLE proxies ADD CONSTRAINT proxies_scope_check CHECK (cardinality(scope) > 0
  AND scope <@ ARRAY['appointment:read', 'appointment:book', 'visit:check_in', 'reminder:reply',
    'patient:read', 'coverage:read', 'estimate:read', 'payment:read', 'account:read',
    'document:read'])
""")
