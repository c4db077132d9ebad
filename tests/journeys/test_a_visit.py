"""A visit from the first call to the receipt, as a person at the front desk would tell it."""

import json
import time
from datetime import timedelta
from pathlib import Path

import pypdfium2
import pytest

from shared.x12 import parse
from tests.journeys.clinic import Body, Clinic, denver, told
from tests.journeys.house import House, until
from tests.journeys.trail import trail

pytestmark = pytest.mark.asyncio(loop_scope="module")

COPAY_CENTS = 2_500
PRINTED_WITHIN_SECONDS = 2.0


async def printed(clinic: Clinic, payment: Body) -> bytes:
    """The receipt of a payment on paper, once it is printed."""
    desk = clinic.person("dana", "payments")
    path = f"/v1/receipts/{payment['receipt_id']}/pdf"
    answer = await until(
        lambda: desk.get(path), lambda found: found.status_code != 202, "a printed receipt"
    )
    assert answer.status_code == 200, answer.text
    content: bytes = answer.content
    return content


def text_of(pdf: bytes) -> str:
    """All that a PDF says."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)
    finally:
        document.close()


async def test_a_stranger_is_seen_pays_and_goes_home(house: House) -> None:
    clinic = await Clinic(house).open()
    network, start = clinic.network_id, denver(5, 10)

    # Monday morning, on the phone: somebody whom nobody here knows.
    house.clock.at = denver(2, 9)
    patient = await clinic.register("García López")
    await house.later(network)
    await clinic.cover(patient, "ACT100200", "García López")
    await house.later(network)
    assert start in await clinic.free(5)
    visit = await clinic.book(patient, start)
    visit_id = visit["id"]
    assert (visit["lifecycle"], visit["new_patient"]) == ("booked", True)
    assert start not in await clinic.free(5)
    await house.settled(network)

    # The payer was asked in X12 and answered in X12; what it said is a verdict and an estimate.
    assert await clinic.verdict(visit_id) == ("active", "payer.active")
    (check,) = await clinic.rows("eligibility", "checks")
    asked, answered = parse(check["request"]), parse(check["response"])
    assert (asked.to_bytes(), answered.to_bytes()) == (check["request"], check["response"])
    assert b"ST*270*" in check["request"]
    assert b"ST*271*" in check["response"]
    estimate = await clinic.sees("dana", "eligibility", f"/v1/visits/{visit_id}/estimate")
    assert (estimate["copay_cents"], estimate["fee_cents"]) == (COPAY_CENTS, 25_000)
    assert sum(line["cents"] for line in estimate["lines"]) == 25_000

    # Wednesday: a day before the visit its chart packet is made, by the clock alone.
    path = f"/v1/visits/{visit_id}/chart-packet"
    assert (await clinic.sees("noor", "documents", path))["state"] == "planned"
    house.clock.at = denver(4, 10)
    await house.settled(network)
    packet = await clinic.sees("noor", "documents", path)
    assert (packet["state"], packet["revision"]) == ("ready", 1)
    assert {"identity.never_verified", "consent.treatment"} <= set(packet["missing"])
    content = f"/v1/documents/{packet['document_id']}/content"
    paper = await clinic.person("noor", "documents").get(content)
    says = text_of(paper.content)
    assert "García López" in says
    assert "Cedar Street Family Clinic" in says

    # Thursday, 8:30: the drawer is opened. 9:45: the patient is at the desk.
    house.clock.at = denver(5, 8, 30)
    drawer = await clinic.open_drawer()
    house.clock.at = denver(5, 9, 45)
    path = f"/v1/appointments/{visit_id}/check-in"
    early = await clinic.person("dana", "appointments").post(path, {})
    assert told(early, 409)["code"] == "checkin.requirements_open"
    assert set(early.json()["open"]) == await clinic.open_requirements(visit_id)
    assert await clinic.open_requirements(visit_id) == {
        *("identity", "consent.treatment", "consent.privacy_notice")
    }
    await clinic.verify(patient)
    await clinic.consent(patient)
    await house.later(network)
    assert await clinic.open_requirements(visit_id) == set()

    # The copay by card: the reader never hears the answer, and the card is charged once.
    expected = await clinic.sees("dana", "payments", f"/v1/visits/{visit_id}")
    assert expected["copay_open_cents"] == COPAY_CENTS
    copay = await clinic.pay(
        patient, COPAY_CENTS, "card", card_token="sim_answer_lost", appointment_id=visit_id
    )
    assert (copay["status"], copay["receipt_number"]) == ("posted", 1)
    assert [part["purpose"] for part in copay["parts"]] == ["copay"]
    (sent,) = await clinic.rows("payments", "intent", "kind = 'charge_card'")
    assert (sent["state"], sent["attempts"]) == ("done", 2)
    (charged,) = card_book(house, copay["id"])
    assert charged["wish"]["amount"]["cents"] == COPAY_CENTS

    await house.later(network)
    told(await clinic.person("dana", "appointments").post(path, {}))
    await house.later(network, timedelta(minutes=45))

    # 10:32: the visit is over. It is charged; what the copay does not meet is paid in cash.
    path = f"/v1/appointments/{visit_id}/check-out"
    gone = await clinic.does("dana", "appointments", path)
    assert (gone["lifecycle"], gone["flow"]) == ("fulfilled", "checked_out")
    await house.later(network)
    lines = {"appointment_id": visit_id, "lines": [{"code": "V-NEW"}]}
    charge = await clinic.does("dana", "payments", "/v1/charges", lines)
    assert (charge["amount_cents"], charge["open_cents"]) == (25_000, 22_500)
    await house.later(network)
    cash = {"drawer_id": drawer, "tendered_cents": 30_000, "appointment_id": visit_id}
    rest = await clinic.pay(patient, 22_500, "cash", **cash)
    assert (rest["receipt_number"], rest["change_cents"]) == (2, 7_500)
    paper_receipt = text_of(await printed(clinic, rest))
    for words in ("000002", "$225.00", "García López", "Cedar Street Family Clinic"):
        assert words in paper_receipt
    await house.later(network)
    account = await clinic.sees("bo", "payments", f"/v1/accounts/{patient}")
    assert account["balance_cents"] == 0

    # The evening: no day is closed over an open drawer; then it is counted and the day closes.
    house.clock.at = denver(5, 17, 30)
    refused = told(await clinic.close_day(5), 409)
    assert {reason["rule"] for reason in refused["reasons"]} == {"drawer_open"}
    counted = {"counted_cents": 20_000 + 22_500}
    closed = await clinic.does("dana", "payments", f"/v1/drawers/{drawer}/close", counted)
    assert closed["variance_cents"] == 0
    report = told(await clinic.close_day(5))
    net = {method["method"]: method["net_cents"] for method in report["methods"]}
    assert (net["cash"], net["card"]) == (22_500, COPAY_CENTS)
    assert (report["ledger_cents"], report["visit_count"]) == (0, 1)
    later = await clinic.person("dana", "payments").post(
        "/v1/payments",
        {
            "patient_id": patient,
            "clinic_id": clinic.clinic_id,
            "method": "check",
            "check_number": "1042",
            "amount_cents": 100,
        },
    )
    assert told(later, 409)["code"] == "ledger.day_closed"

    await house.settled(network)
    for step in await trail(clinic, visit_id):
        print(step)


def card_book(house: House, our_id: str) -> list[Body]:
    """What the card processor remembers of an id."""
    book = Path(house.folder) / "payments" / "card-processor"
    return [json.loads(path.read_text()) for path in book.glob(f"{our_id}.json")]
