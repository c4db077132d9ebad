"""Routes that find people. They are reads by POST: what is looked for stays out of addresses."""

from uuid import UUID

from services.patients.api.routes import ROUTES
from services.patients.domain.contact import checked_email, checked_phone, email_search
from services.patients.domain.demographics import checked, checked_dates
from services.patients.domain.mrn import checked_mrn
from services.patients.queries import finding
from services.patients.queries.clinics import latest_date
from services.patients.queries.matching import alike
from services.patients.schemas.finding import (
    CandidateList,
    CandidateView,
    FoundPage,
    FoundView,
    LookUpPatients,
    MatchPatient,
    NamedList,
    NamedView,
    SearchPatients,
)
from services.patients.schemas.minimum import ASKED_BY_MINIMUM, FoundMinimum, NamedMinimum
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.web.calls import Call, Reply
from shared.web.minimum import Lesser
from shared.web.pages import read_cursor, sign_cursor


def _wanted(given: SearchPatients) -> finding.Wanted:
    return finding.Wanted(
        family=given.family,
        given=given.given,
        sounds_like=given.sounds_like,
        birth_date=given.birth_date,
        mrn=None if given.mrn is None else checked_mrn(given.mrn),
        phone=None if given.phone is None else checked_phone(given.phone),
        email=None if given.email is None else email_search(checked_email(given.email)),
    )


@ROUTES.post(
    "/v1/patients/search",
    may=May.PATIENT_FIND,
    body=SearchPatients,
    reply=FoundPage,
    keyed=False,
    refuses=("search.empty", "mrn.format", "mrn.check_digit", "phone.invalid", "cursor.invalid",
             "permission.minimum"),
    lesser=(Lesser(May.PATIENT_READ_MINIMUM, FoundMinimum, ASKED_BY_MINIMUM),),
)  # fmt: skip
async def search_patients(work: Work, call: Call[SearchPatients]) -> Reply:
    """Find people by what is known of them. The audit keeps whom the answer named."""
    given, wanted = call.given, _wanted(call.given)
    after = (
        UUID(read_cursor(call.cursor_secret, given.cursor)) if given.cursor is not None else None
    )
    rows = await finding.search(work, wanted, after, given.limit + 1)
    page = rows[: given.limit]
    call.concerns(*(row.id for row in page))
    call.detail["by"] = wanted.by
    more = len(rows) > given.limit
    return Reply(
        FoundPage(
            items=[FoundView.of(row) for row in page],
            next=sign_cursor(call.cursor_secret, str(page[-1].id)) if more else None,
        )
    )


@ROUTES.post(
    "/v1/patients/match",
    may=May.PATIENT_FIND,
    body=MatchPatient,
    reply=CandidateList,
    keyed=False,
    refuses=(
        "name.missing",
        "phone.invalid",
        "email.invalid",
        "birth_date.future",
        "birth_date.too_early",
    ),  # fmt: skip
)
async def match_patient(work: Work, call: Call[MatchPatient]) -> Reply:
    """Who on record could be this person, how surely, and what speaks for and against it."""
    who = checked_dates(checked(call.given.model_dump()), await latest_date(work))
    found = await alike(work, who.identity)
    call.concerns(*(who.patient_id for who in found))
    return Reply(CandidateList(items=[CandidateView.of(who) for who in found]))


@ROUTES.post(
    "/v1/patients/lookup",
    may=May.PATIENT_LOOKUP,
    body=LookUpPatients,
    reply=NamedList,
    keyed=False,
    lesser=(Lesser(May.PATIENT_READ_MINIMUM, NamedMinimum),),
)
async def look_up_patients(work: Work, call: Call[LookUpPatients]) -> Reply:
    """Turn up to 200 ids into names, birth dates and MRNs. An id that is nobody's is left out."""
    rows = await finding.lookup(work, call.given.ids)
    call.concerns(*(row.id for row in rows))
    return Reply(NamedList(items=[NamedView.of(row) for row in rows]))
