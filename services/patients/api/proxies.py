"""Routes of who may act for a patient."""

from collections.abc import Sequence
from typing import Any

from services.patients.api.people import patient_lock
from services.patients.api.routes import ROUTES
from services.patients.commands import proxies as commands
from services.patients.domain.proxies import EndReason, Proxy
from services.patients.queries import proxies as queries
from services.patients.queries.people import person
from services.patients.schemas.proxies import (
    EndProxy,
    GrantProxy,
    ProxyList,
    ProxyPolicyMembers,
    ProxyPolicyView,
    ProxyView,
)
from services.patients.tables import ProxyEntry
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply


def _view(work: Work, row: ProxyEntry) -> ProxyView:
    return ProxyView.of(row, queries.state_of(work, row))


def _wish(work: Work, given: GrantProxy) -> Proxy:
    return Proxy(
        subject=given.proxy_subject,
        patient_id=given.proxy_patient_id,
        authority=given.authority,
        scope=given.scope,
        begins_at=given.begins_at or work.now,
        until_at=given.until_at,
        evidence_document_id=given.evidence_document_id,
    )


@ROUTES.post(
    "/v1/patients/{patient_id}/proxies",
    may=May.PROXY_WRITE,
    body=GrantProxy,
    reply=ProxyView,
    status=201,
    refuses=("patient.not_found", "proxy.who", "proxy.self", "proxy.scope", "proxy.of_age",
             "proxy.evidence_missing", "proxy.interval", "proxy.exists", "time.range"),
    locks=patient_lock,
)  # fmt: skip
async def grant_proxy(work: Work, call: Call[GrantProxy]) -> Reply:
    """Enter somebody who may act for a patient in the portal (45 CFR 164.502(g)).

    Whoever enters it says that they have verified it.
    """
    call.concerns(call.id("patient_id"))
    row = await commands.grant(work, call.id("patient_id"), _wish(work, call.given))
    if row.proxy_patient_id is not None:
        call.concerns(row.proxy_patient_id)
    call.detail["authority"] = row.authority
    location = f"/v1/patients/{row.patient_id}/proxies/{row.id}"
    return Reply(_view(work, row), 201, location=location)


@ROUTES.get("/v1/patients/{patient_id}/proxies", may=May.PROXY_WRITE, reply=ProxyList)
async def list_proxies(work: Work, call: Call[None]) -> Reply:
    """Who may act for a patient and who might before."""
    patient = await person(work, call.id("patient_id"))
    call.concerns(patient.id)
    rows = await queries.proxies(work, patient.id)
    return Reply(ProxyList(items=[_view(work, row) for row in rows]))


@ROUTES.get("/v1/patients/{patient_id}/proxies/{proxy_id}", may=May.PROXY_WRITE, reply=ProxyView)
async def read_proxy(work: Work, call: Call[None]) -> Reply:
    """One entry, ended or not."""
    call.concerns(call.id("patient_id"))
    return Reply(_view(work, await queries.proxy(work, call.id("patient_id"), call.id("proxy_id"))))


@ROUTES.post(
    "/v1/patients/{patient_id}/proxies/{proxy_id}/end",
    may=May.PROXY_WRITE,
    body=EndProxy,
    reply=ProxyView,
    refuses=("proxy.already_ended",),
    locks=patient_lock,
)
async def end_proxy(work: Work, call: Call[EndProxy]) -> Reply:
    """Let somebody act for a patient no more. The entry stays on record."""
    call.concerns(call.id("patient_id"))
    given = call.given
    row = await commands.end(
        work, call.id("patient_id"), call.id("proxy_id"), EndReason(given.reason), given.note
    )
    call.detail["reason"] = given.reason
    return Reply(_view(work, row))


def _policy_lock(_: Call[Any]) -> Sequence[LockKey]:
    return commands.policy_lock()


@ROUTES.post(
    "/v1/proxy-policy",
    may=May.PROXY_POLICY,
    body=ProxyPolicyMembers,
    reply=ProxyPolicyView,
    locks=_policy_lock,
)
async def set_proxy_policy(work: Work, call: Call[ProxyPolicyMembers]) -> Reply:
    """Say at what age patients come of age, for what is entered from now on."""
    row = await commands.set_policy(work, call.given.majority_age)
    view = ProxyPolicyView(majority_age=row.majority_age, set_at=row.set_at, set_by=row.set_by)
    return Reply(view)


@ROUTES.get("/v1/proxy-policy", may=May.PROXY_POLICY, reply=ProxyPolicyView)
async def read_proxy_policy(work: Work, _: Call[None]) -> Reply:
    """At what age patients come of age."""
    row = await queries.policy(work)
    view = ProxyPolicyView(
        majority_age=await queries.majority_age(work),
        set_at=None if row is None else row.set_at,
        set_by=None if row is None else row.set_by,
    )
    return Reply(view)
