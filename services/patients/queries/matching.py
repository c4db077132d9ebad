"""Finding those on record who could be the same person."""

from dataclasses import replace

from services.patients.domain.matching import (
    Candidate,
    Grade,
    Identity,
    blocking_keys,
    candidates,
)
from services.patients.queries.people import demographics, people
from shared.db.work import Work

COMPARED_MAX = 500

# Who shares most keys comes first: a namesake alone must not crowd out who shares two things.
SHARING = """
SELECT patient_id FROM match_keys WHERE network_id = $1 AND key = ANY($2) AND active
GROUP BY patient_id ORDER BY count(*) DESC, patient_id LIMIT $3
"""


async def alike(
    work: Work, person: Identity, at_least: Grade = Grade.POSSIBLE
) -> tuple[Candidate, ...]:
    """At most ten people of the network who are like this one, the likeliest first."""
    keys = sorted(blocking_keys(person))
    found = await work.raw.fetch(SHARING, work.network_id, keys, COMPARED_MAX)
    if not found:
        return ()
    rows = await people(work, [record["patient_id"] for record in found])
    known = await demographics(work, rows)
    mrns = {row.id: row.mrn for row in rows}
    likely = candidates(person, ((key, known[key].identity) for key in known), at_least)
    return tuple(replace(who, mrn=mrns[who.patient_id]) for who in likely)
