"""People: who they are, how they are reached, what they consented to."""
