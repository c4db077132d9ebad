"""A clinic's days with a canary in every member that tells of a person, on a whole system."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from shared.values.ids import new_id
from tests.faults.town import until
from tests.leaks.canaries import Mint, capitals, digits, picture, text
from tests.leaks.place import MONDAY, Place

Body = dict[str, Any]
DAY = MONDAY + timedelta(days=1)
"""Tuesday, eight o'clock in Denver."""
VISIT_MINUTES = 40
LIVE = ("death_date",)


@dataclass(slots=True)
class Walk:
    """The clinic, and what is in it. Every verb is a call of a public API."""

    place: Place
    mint: Mint = field(default_factory=Mint)
    ids: dict[str, str] = field(default_factory=dict)

    def body(self, service: str, verb: str, path: str, /, *without: str, **given: Any) -> Body:
        """A body full of canaries."""
        return self.mint.body(service, verb, path, given, *without)

    async def make(
        self, role: str, service: str, path: str, /, *without: str, **given: Any
    ) -> Body:
        """POST a body full of canaries to a path."""
        return await self.make_at(path, role, service, path, *without, **given)

    async def make_at(
        self, at: str, role: str, service: str, path: str, /, *without: str, **given: Any
    ) -> Body:
        """The same where a path has ids: `at` is with them."""
        body = self.body(service, "POST", path, *without, **given)
        return await self.place.post(role, service, at, body)

    # ── before the first patient comes ───────────────────────────────────────────────────────

    async def open(self) -> None:
        """All that a clinic needs."""
        place = self.place
        made = await self.make("admin", "appointments", "/v1/clinics", time_zone="America/Denver")
        clinic = self.ids["clinic_id"] = made["id"]
        made = await self.make("admin", "appointments", "/v1/rooms", clinic_id=clinic)
        self.ids["room_id"] = made["id"]
        made = await self.make(
            "admin", "appointments", "/v1/providers", clinic_ids=[clinic], npi="1000000004"
        )
        provider = self.ids["provider_id"] = made["id"]
        hours = {"clinic_id": clinic, "opens": "08:00:00", "closes": "17:00:00"}
        path = f"/v1/providers/{provider}/schedules"
        for weekday in range(1, 6):
            await place.post("admin", "appointments", path, {**hours, "weekday": weekday})
        made = await self.make(
            *("admin", "appointments", "/v1/appointment-types"),
            **{"minutes_new": VISIT_MINUTES, "minutes_known": 20},
            **{"service_code_new": "V-NEW", "service_code_known": "V-EST"},
        )
        self.ids["appointment_type_id"] = made["id"]
        rule = {"kind": "horizon", "value": {"days": 600}, "clinic_id": clinic}
        made = await place.post("admin", "appointments", "/v1/booking-rules", rule)
        self.ids["rule_id"] = made["id"]
        last = {"effective_until": "2099-12-31"}
        path = f"/v1/booking-rules/{made['id']}/end"
        await place.post("admin", "appointments", path, last, version=1)
        made = await self.make(
            *("biller", "eligibility", "/v1/payers"),
            **{"payer_id": "EVG01", "sender_id": "CLINICBUS", "receiver_id": "EVG01"},
            provider_npi="1000000004",
        )
        self.ids["payer_id"] = made["id"]
        for code in ("V-NEW", "V-EST"):
            fee = {"clinic_id": clinic, "code": code, "amount_cents": 9_000}
            await place.post(
                "biller", "payments", "/v1/fees", {**fee, "effective_from": "2026-01-01"}
            )

    # ── who comes ────────────────────────────────────────────────────────────────────────────

    async def register(self, *without: str) -> str:
        """A person becomes a patient, and something about them changes."""
        place = self.place
        made = await self.make("front_desk", "patients", "/v1/patients", *without, gender="female")
        patient: str = made["id"]
        changed = self.body("patients", "PATCH", "/v1/patients/{patient_id}", *LIVE)
        path = f"/v1/patients/{patient}"
        answer = await place.ask("front_desk", "patients", "PATCH", path, changed, version=1)
        assert answer.status_code == 200, answer.text
        return patient

    async def known(self, patient: str) -> None:
        """What makes somebody known: contacts, consents, demographics gone through."""
        place, path = self.place, f"/v1/patients/{patient}"
        ends = await self.make_at(
            f"{path}/contacts",
            *("front_desk", "patients", "/v1/patients/{patient_id}/contacts"),
            **{"kind": "emergency", "relationship": "spouse"},
        )
        for kind in ("treatment", "privacy_notice"):
            consent = {"kind": kind, "text_version": "2026-01"}
            made = await place.post("front_desk", "patients", f"{path}/consents", consent)
        asked = (await place.get("front_desk", "patients", f"{path}/verifications"))["fields"]
        answers = [{"field": f["field"], "outcome": "confirmed"} for f in asked if f["asked"]]
        await place.post("front_desk", "patients", f"{path}/verifications", {"fields": answers})
        wish = {"channels": ["email"], "time_zone": "America/Denver"}
        chosen = f"{path}/message-preference"
        answer = await place.ask("front_desk", "patients", "PUT", chosen, wish)
        assert answer.status_code == 200, answer.text
        self.ids.update(patient_id=patient, contact_id=ends["id"], consent_id=made["id"])

    async def acted_for(self, patient: str) -> None:
        """Somebody may act for the patient, and later may not; when one is of age is said."""
        path = f"/v1/patients/{patient}/proxies"
        made = await self.make_at(
            path,
            *("front_desk", "patients", "/v1/patients/{patient_id}/proxies"),
            **{"authority": "patient_permission", "scope": ["patient:read"]},
        )
        self.ids["proxy_id"] = made["id"]
        await self.make_at(
            f"{path}/{made['id']}/end",
            *("front_desk", "patients", "/v1/patients/{patient_id}/proxies/{proxy_id}/end"),
            reason="other",
        )
        await self.place.post("admin", "patients", "/v1/proxy-policy", {"majority_age": 18})

    async def found(self) -> None:
        """People are looked for, of whom nobody has heard."""
        searched = self.body("patients", "POST", "/v1/patients/search")
        for name, value in searched.items():
            ask = {name: value} if name != "given" else {"family": "Zq", name: value}
            answer = await self.place.ask(
                "front_desk", "patients", "POST", "/v1/patients/search", ask
            )
            assert answer.status_code in (200, 422), answer.text
        await self.make("front_desk", "patients", "/v1/patients/match")

    async def emergency(self, patient: str) -> None:
        """Somebody breaks the glass, and somebody looks at why."""
        place = self.place
        why = self.body(
            "patients", "POST", "/v1/patients/{patient_id}/emergency-access",
            reason="patient_unable",
        )  # fmt: skip
        made = await place.post(
            *("nurse", "patients", f"/v1/patients/{patient}/emergency-access", why),
            token=place.token("nurse", proven=True),
        )
        self.ids["access_id"] = made["id"]
        await self.make_at(
            f"/v1/emergency-accesses/{made['id']}/review",
            *("auditor", "patients", "/v1/emergency-accesses/{access_id}/review"),
            finding="justified",
        )

    async def cover(self, patient: str, prefix: str = "ACT") -> str:
        """The card of a payer, who answers as the member id begins."""
        place, path = self.place, "/v1/coverages"
        member = self.mint.other(capitals, "member_id").replace("ACT", prefix, 1)
        made = await self.make(
            *("front_desk", "eligibility", path),
            **{"patient_id": patient, "payer_id": self.ids["payer_id"], "order": "primary"},
            **{"relationship": "child", "effective_from": "2026-01-01"},
            member_id=self.mint.keep(member, "member_id") if prefix != "ACT" else member,
        )
        coverage: str = made["id"]
        changed = self.body("eligibility", "PATCH", f"{path}/{{coverage_id}}", "member_id")
        answer = await place.ask(
            "front_desk", "eligibility", "PATCH", f"{path}/{coverage}", changed, version=1
        )
        assert answer.status_code == 200, answer.text
        self.ids["coverage_id"] = coverage
        return coverage

    async def ask_payer(self, coverage: str) -> None:
        """The payer is asked, and says something that nobody else says, or nothing of use."""
        found = await self.place.get("front_desk", "eligibility", f"/v1/coverages/{coverage}")
        said = self.mint.other(capitals, "what the payer calls the plan")
        answer = await self.place.http.put(
            f"{self.place.payer}/behaviour/{found['member_id']}",
            json={"kind": "active", "plan": {"name": said}},
        )
        assert answer.status_code == 200, answer.text
        made = await self.place.post(
            "front_desk", "eligibility", "/v1/checks", {"coverage_id": coverage}
        )
        self.ids["check_id"] = made["id"]
        answered = await until(
            lambda: self.place.get("front_desk", "eligibility", f"/v1/checks/{made['id']}"),
            lambda check: check["state"] not in ("queued", "sent"),
            "the payer's answer",
        )
        assert said in json.dumps(answered), answered

    # ── their visits ─────────────────────────────────────────────────────────────────────────

    def starts(self, number: int) -> datetime:
        """When the visit of a number begins."""
        return DAY + timedelta(minutes=VISIT_MINUTES * number)

    def booking(self, patient: str, starts: datetime) -> Body:
        """A wish for a visit."""
        names = ("clinic_id", "provider_id", "appointment_type_id")
        return {
            **{name: self.ids[name] for name in names},
            **{"patient_id": patient, "starts_at": starts.isoformat()},
        }

    async def book(self, patient: str, number: int) -> str:
        """A visit is booked, moved, and confirmed."""
        place, path = self.place, "/v1/appointments"
        await self.make(
            "front_desk", "appointments", f"{path}/explain",
            **self.booking(patient, self.starts(number)),
        )  # fmt: skip
        made = await self.make(
            "front_desk", "appointments", path,
            **self.booking(patient, self.starts(number) + timedelta(days=1)),
        )  # fmt: skip
        visit: str = made["id"]
        moved = self.body(
            "appointments", "POST", f"{path}/{{appointment_id}}/reschedule",
            starts_at=self.starts(number).isoformat(), reason="patient_request",
        )  # fmt: skip
        made = await place.post(
            "front_desk", "appointments", f"{path}/{visit}/reschedule", moved,
            version=made["version"],
        )  # fmt: skip
        await place.post("front_desk", "appointments", f"{path}/{visit}/confirm")
        self.ids["appointment_id"] = visit
        return visit

    async def come(self, patient: str, visit: str) -> None:
        """In, seen, and out."""
        place, path = self.place, f"/v1/appointments/{visit}"
        told = self.body(
            *("appointments", "POST", "/v1/appointments/{appointment_id}/check-in"),
            balance_acknowledged=True,
        )
        answer: httpx.Response = await until(
            lambda: place.ask("front_desk", "appointments", "POST", f"{path}/check-in", told),
            lambda found: found.status_code != 409,  # the payer's word is on its way
            "check-in",
        )
        assert answer.is_success, answer.text
        await place.post("front_desk", "appointments", f"{path}/check-out")

    async def charge(self, visit: str) -> None:
        """What was done is charged, and why."""
        charge = await self.make(
            *("biller", "payments", "/v1/charges"),
            **{"appointment_id": visit, "lines": [{"code": "V-NEW"}]},
        )
        self.ids["charge_id"] = charge["id"]

    async def pay(self, patient: str, visit: str, method: str) -> None:
        """Money comes, and some of it goes back."""
        place, path = self.place, "/v1/payments"
        other = {"check": "card_token", "card": "check_number"}.get(method)
        wrong = (other,) if other else ("card_token", "check_number")
        more = {"drawer_id": self.ids["drawer_id"]} if method == "cash" else {}
        made = await self.make(
            *("front_desk", "payments", path, *wrong),
            **{"patient_id": patient, "clinic_id": self.ids["clinic_id"], "amount_cents": 2_000},
            **{"appointment_id": visit, "method": method, "currency": "USD", **more},
        )
        payment = self.ids["payment_id"] = made["id"]
        paid = await until(
            lambda: place.get("front_desk", "payments", f"{path}/{payment}"),
            lambda found: found["status"] in ("posted", "declined"),
            "a payment",
        )
        if paid["status"] != "posted":
            return
        self.ids["receipt_id"] = paid["receipt_id"]
        back: Body = {"amount_cents": 500, "reason": "courtesy", **more}
        if method == "check":
            back["check_number"] = self.mint.other(digits, "the check of a refund")
        made = await place.post(
            *("biller", "payments", f"{path}/{payment}/refund", back),
            token=place.token("biller", proven=True),
        )
        self.ids["refund_id"] = made["id"]

    async def scan(self, patient: str, visit: str) -> None:
        """A picture with a note in it, under a name that tells something, filed and unfiled."""
        place, url = self.place, f"{self.place.state.urls['documents']}/v1/documents"
        note, name = (self.mint.other(text, f"a picture's {what}") for what in ("note", "name"))
        request = place.http.build_request(
            "POST", url,
            headers={
                "Authorization": f"Bearer {place.token('front_desk')}",
                "Idempotency-Key": str(new_id()),
            },
            data={"source": "scan", "document_class": "insurance_card", "patient_id": patient},
            files={"file": (f"{name}.png", picture(note), "image/png")},
        )  # fmt: skip
        answer = await place.send(request)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        document, version = made["id"], made["version"]
        for verb, given in (
            ("classify", {"document_class": "identification"}),
            ("index", {"patient_id": patient, "appointment_id": visit}),
            ("enter-in-error", {}),
        ):
            path = f"/v1/documents/{{document_id}}/{verb}"
            body = self.body("documents", "POST", path, **given)
            done = await place.post(
                *("front_desk", "documents", f"/v1/documents/{document}/{verb}", body),
                version=version,
            )
            version = done["version"]
            if verb == "index":
                path = f"/v1/documents/{document}/content"
                assert (await place.ask("nurse", "documents", "GET", path)).is_success
        self.ids["document_id"] = document

    async def open_drawer(self) -> None:
        """The drawer of the day."""
        made = await self.make(
            *("front_desk", "payments", "/v1/drawers"),
            **{"clinic_id": self.ids["clinic_id"], "float_cents": 20_000},
        )
        self.ids["drawer_id"] = made["id"]

    async def evening(self) -> None:
        """The drawer is counted, and nobody knows where the rest is."""
        drawer = self.ids["drawer_id"]
        await self.make_at(
            f"/v1/drawers/{drawer}/close",
            *("front_desk", "payments", "/v1/drawers/{drawer_id}/close"),
            counted_cents=1,
        )
        day = {"business_date": DAY.date().isoformat()}
        path = f"/v1/clinics/{self.ids['clinic_id']}/close-day"
        await self.place.ask("biller", "payments", "POST", path, day)

    # ── all of it ────────────────────────────────────────────────────────────────────────────

    async def eve(self, number: int, prefix: str) -> tuple[str, str]:
        """Somebody of a number is registered, covered and booked; (patient, visit)."""
        patient = await self.register("death_date")
        await self.known(patient)
        await self.emergency(patient)
        await self.acted_for(patient)
        coverage = await self.cover(patient, prefix)
        if prefix == "ACT":
            await self.ask_payer(coverage)
        visit = await self.book(patient, number)
        if prefix == "INA":
            wish = {"appointment_id": visit}
            path = f"/v1/patients/{patient}/self-pay"
            await self.place.post("front_desk", "eligibility", path, wish)
        return patient, visit

    async def day(self, number: int, patient: str, visit: str) -> None:
        """They come, and pay in each way."""
        for method in ("check", "card", "cash")[: 1 + number % 3]:
            await self.pay(patient, visit, method)
        await self.scan(patient, visit)
        await self.come(patient, visit)
        if number % 2:
            await self.charge(visit)
        else:
            await self.make_at(
                f"/v1/visits/{visit}/no-charge",
                *("biller", "payments", "/v1/visits/{appointment_id}/no-charge"),
                reason="courtesy",
            )

    async def not_coming(self, number: int) -> None:
        """Somebody calls off one visit, forgets the next, and takes much of what they said back."""
        place = self.place
        patient, visit = await self.eve(number, "ACT")
        ids, coverage = dict(self.ids), self.ids["coverage_id"]
        called_off = await place.get("front_desk", "appointments", f"/v1/appointments/{visit}")
        await place.post(
            *("front_desk", "appointments", f"/v1/appointments/{visit}/cancel"),
            {"reason": "patient_request"},
            version=called_off["version"],
        )
        forgotten = await self.book(patient, number)
        place.clock.set(self.starts(number) + timedelta(minutes=1))
        await place.post("front_desk", "appointments", f"/v1/appointments/{forgotten}/no-show")
        path, last = f"/v1/patients/{patient}", DAY.date().isoformat()
        await place.post(
            "front_desk", "patients", f"{path}/consents/{ids['consent_id']}/revoke", {}
        )
        await place.post("front_desk", "patients", f"{path}/contacts/{ids['contact_id']}/end", {})
        await place.post(
            *("front_desk", "eligibility", f"/v1/coverages/{coverage}/terminate"),
            {"effective_to": last},
        )
