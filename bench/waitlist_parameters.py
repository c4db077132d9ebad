"""What the comparison of the waitlist with a manual list assumes; all of it, and nothing else.

Both sides get the same clinics, free times, patients, wishes and willingness; only who is asked,
when and by what differs.
"""

CLINICS = 100
SEEDS = 20
DAYS = 10
"""Of releases, weekends included: a patient may cancel on any day."""

# Each clinic.
PROVIDERS = 4
OPENS, CLOSES = 8, 17
"""Opening hours, Monday to Friday. Only then does anybody make calls."""
WAITING_AT_FIRST = 30
NEW_A_DAY = 2
RELEASES_A_DAY = 4
RELEASED_IN_OPENING_HOURS = 0.7
"""The others are called off by the portal between waking and sleeping."""
AHEAD_HOURS_MEDIAN = 30
AHEAD_HOURS_SIGMA = 1.2
"""How long before the start a time becomes free: log-normal, at least an hour."""

# Each patient.
WAKES, SLEEPS = 7, 22
"""A message that comes at night is read in the morning, or too late."""
ONE_PROVIDER = 0.4
"""Share that waits for one provider."""
SOME_WEEKDAYS = 0.5
HALF_A_DAY = 0.5
"""Share that can come only before or only after noon."""
NOTICE_HOURS = (0, 2, 24)
ACCEPTS = 0.6
"""Share that takes a time that suits once asked; the same answer whoever asks."""

# The manual list.
MINUTES_A_CALL = 4
REACHED = 0.4
"""Share of calls that somebody picks up."""

# Offers.
ANSWERS = 0.7
"""Share of offers that are read and answered at all, in time or not."""
ANSWER_MINUTES_MEDIAN = 9
ANSWER_MINUTES_SIGMA = 1.0
"""From offer to answer, log-normal, by day."""
