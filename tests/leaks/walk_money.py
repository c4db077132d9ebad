"""What is paid and charged, what is scanned, and the drawer that it all ends in."""

from tests.faults.town import until
from tests.leaks.canaries import digits, picture, text
from tests.leaks.walk import DAY, Body, Person, Walk

DESK, BILLER = ("front_desk", "payments"), ("biller", "payments")
CLERK = ("front_desk", "documents")


async def open_drawer(walk: Walk) -> None:
    """The drawer of the day."""
    made = await walk.make(
        *(*DESK, "/v1/drawers"),
        **{"clinic_id": walk.ids["clinic_id"], "float_cents": 20_000},
    )
    walk.ids["drawer_id"] = made["id"]


async def charge(walk: Walk, person: Person) -> None:
    """What was done is charged, and why."""
    made = await walk.make(
        *(*BILLER, "/v1/charges"),
        **{"appointment_id": person.visit, "lines": [{"code": "V-NEW"}]},
    )
    person.ids["charge_id"] = made["id"]


async def charge_nothing(walk: Walk, person: Person) -> None:
    """What was done costs nothing."""
    path = "/v1/visits/{appointment_id}/no-charge"
    await walk.make_of(person.ids, *BILLER, path, reason="courtesy")


async def pay(walk: Walk, person: Person, method: str) -> None:
    """Money comes, and some of it goes back."""
    place, path = walk.place, "/v1/payments"
    other = {"check": "card_token", "card": "check_number"}.get(method)
    wrong = (other,) if other else ("card_token", "check_number")
    more = {"drawer_id": walk.ids["drawer_id"]} if method == "cash" else {}
    made = await walk.make(
        *(*DESK, path, *wrong),
        **{"patient_id": person.patient, "clinic_id": walk.ids["clinic_id"]},
        **{"appointment_id": person.visit, "method": method, "currency": "USD"},
        **{"amount_cents": 2_000, **more},
    )
    payment = person.ids["payment_id"] = made["id"]
    paid = await until(
        lambda: place.get(*DESK, f"{path}/{payment}"),
        lambda found: found["status"] in ("posted", "declined"),
        "a payment",
    )
    if paid["status"] != "posted":
        return
    person.ids["receipt_id"] = paid["receipt_id"]
    back: Body = {"amount_cents": 500, "reason": "courtesy", **more}
    if method == "check":
        back["check_number"] = walk.mint.other(digits, "the check of a refund")
    made = await place.post(
        *(*BILLER, f"{path}/{payment}/refund", back),
        token=place.token("biller", proven=True),
    )
    person.ids["refund_id"] = made["id"]


async def scan(walk: Walk, person: Person) -> None:
    """A picture with a note in it, under a name that tells something, is filed and looked at."""
    place = walk.place
    note, name = (walk.mint.other(text, f"a picture's {what}") for what in ("note", "name"))
    told = {"source": "scan", "document_class": "insurance_card", "patient_id": person.patient}
    made = await place.post(
        *(*CLERK, "/v1/documents"),
        data=told,
        files={"file": (f"{name}.png", picture(note), "image/png")},
    )
    person.ids["document_id"] = made["id"]
    await _file(walk, person, "classify", document_class="identification")
    visit = {"patient_id": person.patient, "appointment_id": person.visit}
    await _file(walk, person, "index", **visit)
    await place.succeed("nurse", "documents", "GET", f"/v1/documents/{made['id']}/content")


async def unfile(walk: Walk, person: Person) -> None:
    """What was scanned is of another."""
    await _file(walk, person, "enter-in-error")


async def _file(walk: Walk, person: Person, verb: str, **given: str) -> None:
    body = walk.body("documents", "POST", f"/v1/documents/{{document_id}}/{verb}", **given)
    path = f"/v1/documents/{person.ids['document_id']}"
    version = (await walk.place.get(*CLERK, path))["version"]
    await walk.place.post(*CLERK, f"{path}/{verb}", body, version=version)


async def close(walk: Walk) -> None:
    """The drawer is counted, and nobody knows where the rest is; the day is over."""
    await walk.make_of(walk.ids, *DESK, "/v1/drawers/{drawer_id}/close", counted_cents=1)
    path = f"/v1/clinics/{walk.ids['clinic_id']}/close-day"
    await walk.place.post(*BILLER, path, {"business_date": DAY.date().isoformat()})
