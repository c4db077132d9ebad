"""What messages may come by."""

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
