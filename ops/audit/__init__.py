"""The audit, for those who look after it: export, verify, who saw a patient."""
