"""Routes of consents."""

from services.patients.api.people import patient_lock
from services.patients.api.routes import ROUTES
from services.patients.commands import consent as commands
from services.patients.queries import consent as queries
from services.patients.queries.people import person
from services.patients.schemas.consent import ConsentList, ConsentView, GrantConsent
from services.patients.tables import ConsentGiven
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.web.calls import Call, Reply


def _view(work: Work, row: ConsentGiven) -> ConsentView:
    return ConsentView.of(row, queries.own_state(work, row))


@ROUTES.post(
    "/v1/patients/{patient_id}/consents",
    may=May.CONSENT_WRITE,
    body=GrantConsent,
    reply=ConsentView,
    status=201,
    refuses=("consent.granted_in_future", "consent.expires_before_grant", "time.range"),
    locks=patient_lock,
)
async def grant_consent(work: Work, call: Call[GrantConsent]) -> Reply:
    """Record a consent to one version of a text."""
    call.concerns(call.id("patient_id"))
    given = commands.Grant(**call.given.model_dump())
    row = await commands.grant(work, call.id("patient_id"), given)
    location = f"/v1/patients/{row.patient_id}/consents/{row.id}"
    return Reply(_view(work, row), 201, location=location)


@ROUTES.post(
    "/v1/patients/{patient_id}/consents/{consent_id}/revoke",
    may=May.CONSENT_WRITE,
    reply=ConsentView,
    refuses=("consent.already_revoked",),
    locks=patient_lock,
)
async def revoke_consent(work: Work, call: Call[None]) -> Reply:
    """Take a consent back. What was done under it stays as it was."""
    call.concerns(call.id("patient_id"))
    row = await commands.revoke(work, call.id("patient_id"), call.id("consent_id"))
    return Reply(_view(work, row))


@ROUTES.get("/v1/patients/{patient_id}/consents", may=May.PATIENT_READ, reply=ConsentList)
async def list_consents(work: Work, call: Call[None]) -> Reply:
    """What a person consented to, and how each kind stands now."""
    row = await person(work, call.id("patient_id"))
    call.concerns(row.id)
    rows = await queries.consents(work, row.id)
    standing = {kind.value: state.value for kind, state in queries.standings(work, rows).items()}
    return Reply(ConsentList(items=[_view(work, given) for given in rows], standing=standing))


@ROUTES.get(
    "/v1/patients/{patient_id}/consents/{consent_id}", may=May.PATIENT_READ, reply=ConsentView
)
async def read_consent(work: Work, call: Call[None]) -> Reply:
    """One consent."""
    call.concerns(call.id("patient_id"))
    return Reply(
        _view(work, await queries.consent(work, call.id("patient_id"), call.id("consent_id")))
    )
