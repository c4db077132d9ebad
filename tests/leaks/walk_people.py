"""Who comes: registered, known, acted for, looked for, covered."""

import json

from tests.faults.town import until
from tests.leaks.canaries import capitals
from tests.leaks.walk import Person, Walk

DESK = ("front_desk", "patients")
LIVE = ("death_date",)


async def register(walk: Walk, *without: str) -> Person:
    """A person becomes a patient, and something about them changes."""
    made = await walk.make(*DESK, "/v1/patients", *without, gender="female")
    person = Person({"patient_id": made["id"]})
    path = "/v1/patients/{patient_id}"
    changed = walk.body("patients", "PATCH", path, *LIVE)
    await walk.change(person.ids, *DESK, "PATCH", path, changed, version=1)
    return person


async def known(walk: Walk, person: Person) -> None:
    """What makes somebody known: contacts, consents, demographics gone through."""
    place, path = walk.place, f"/v1/patients/{person.patient}"
    ends = await walk.make_of(
        *(person.ids, *DESK, "/v1/patients/{patient_id}/contacts"),
        **{"kind": "emergency", "relationship": "spouse"},
    )
    for kind in ("treatment", "privacy_notice"):
        consent = {"kind": kind, "text_version": "2026-01"}
        made = await place.post(*DESK, f"{path}/consents", consent)
    asked = (await place.get(*DESK, f"{path}/verifications"))["fields"]
    answers = [{"field": f["field"], "outcome": "confirmed"} for f in asked if f["asked"]]
    await place.post(*DESK, f"{path}/verifications", {"fields": answers})
    wish = {"channels": ["email"], "time_zone": "America/Denver"}
    await walk.change({}, *DESK, "PUT", f"{path}/message-preference", wish)
    person.ids |= {"contact_id": ends["id"], "consent_id": made["id"]}


async def acted_for(walk: Walk, person: Person) -> None:
    """Somebody may act for the patient, and later may not; when one is of age is said."""
    path = "/v1/patients/{patient_id}/proxies"
    made = await walk.make_of(
        *(person.ids, *DESK, path),
        **{"authority": "patient_permission", "scope": ["patient:read"]},
    )
    person.ids["proxy_id"] = made["id"]
    await walk.make_of(person.ids, *DESK, f"{path}/{{proxy_id}}/end", reason="other")
    await walk.place.post("admin", "patients", "/v1/proxy-policy", {"majority_age": 18})


async def looked_for(walk: Walk) -> None:
    """People are looked for, of whom nobody has heard."""
    searched = walk.body("patients", "POST", "/v1/patients/search")
    for name, value in searched.items():
        ask = {name: value} if name != "given" else {"family": "Zq", name: value}
        answer = await walk.place.ask(*DESK, "POST", "/v1/patients/search", ask)
        assert answer.status_code in (200, 422), answer.text
    await walk.make(*DESK, "/v1/patients/match")


async def emergency(walk: Walk, person: Person) -> None:
    """Somebody breaks the glass, and somebody looks at why."""
    place, path = walk.place, "/v1/patients/{patient_id}/emergency-access"
    why = walk.body("patients", "POST", path, reason="patient_unable")
    made = await place.post(
        *("nurse", "patients", path.format(**person.ids), why),
        token=place.token("nurse", proven=True),
    )
    person.ids["access_id"] = made["id"]
    await walk.make_of(
        *(person.ids, "auditor", "patients", "/v1/emergency-accesses/{access_id}/review"),
        finding="justified",
    )


async def cover(walk: Walk, person: Person, prefix: str = "ACT") -> None:
    """The card of a payer, who answers as the member id begins."""
    desk, path = ("front_desk", "eligibility"), "/v1/coverages"
    member = walk.mint.other(capitals, "member_id").replace("ACT", prefix, 1)
    made = await walk.make(
        *(*desk, path),
        **{"patient_id": person.patient, "payer_id": walk.ids["payer_id"], "order": "primary"},
        **{"relationship": "child", "effective_from": "2026-01-01"},
        member_id=walk.mint.keep(member, "member_id") if prefix != "ACT" else member,
    )
    person.ids["coverage_id"] = made["id"]
    path = f"{path}/{{coverage_id}}"
    changed = walk.body("eligibility", "PATCH", path, "member_id")
    await walk.change(person.ids, *desk, "PATCH", path, changed, version=1)


async def ask_payer(walk: Walk, person: Person) -> None:
    """The payer is asked, and says something that nobody else says, or nothing of use."""
    place, desk, coverage = walk.place, ("front_desk", "eligibility"), person.ids["coverage_id"]
    found = await place.get(*desk, f"/v1/coverages/{coverage}")
    said = walk.mint.other(capitals, "what the payer calls the plan")
    answer = await place.http.put(
        f"{place.payer}/behaviour/{found['member_id']}",
        json={"kind": "active", "plan": {"name": said}},
    )
    assert answer.status_code == 200, answer.text
    made = await place.post(*desk, "/v1/checks", {"coverage_id": coverage})
    person.ids["check_id"] = made["id"]
    answered = await until(
        lambda: place.get(*desk, f"/v1/checks/{made['id']}"),
        lambda check: check["state"] not in ("queued", "sent"),
        "the payer's answer",
    )
    assert said in json.dumps(answered), answered
