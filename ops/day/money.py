"""Money at the desk: cash, checks and cards, refunds, and the close of the day."""

from typing import Any

from ops.day.desk import DayFailed, Desk
from ops.day.plan import Pay
from ops.day.story import DATE, FLOAT_CENTS, Place, Played, Story

REFUND_CENTS = 500
CARD_TOKENS = {
    Pay.CARD: "sim_ok",
    Pay.CARD_DECLINED_THEN_CASH: "sim_declined",
    Pay.CARD_ANSWER_LOST: "sim_answer_lost",
}


async def open_drawers(desk: Desk, story: Story) -> None:
    """Open a drawer at each clinic with its float."""
    for place in story.places:
        body = {"clinic_id": place.clinic_id, "name": "Front desk", "float_cents": FLOAT_CENTS}
        made = await desk.post("front_desk", "payments", "/v1/drawers", body, step="open drawer")
        place.drawer_id = made["id"]


async def pay(desk: Desk, story: Story, played: Played, cents: int) -> None:
    """Take a payment the way the patient pays; nothing where nothing is due."""
    if cents <= 0:
        return
    place, how = story.place_of(played), played.visit.pay
    if how in CARD_TOKENS:
        if await _by_card(desk, story, played, cents, CARD_TOKENS[how]):
            story.money["card"] += cents
            return
        story.notes["cards declined"] += 1
    body: dict[str, Any] = {
        "patient_id": played.patient_id,
        "clinic_id": place.clinic_id,
        "appointment_id": played.appointment_id,
        "amount_cents": cents,
        "drawer_id": place.drawer_id,
    }
    if how is Pay.CHECK:
        body |= {"method": "check", "check_number": str(1000 + played.visit.number)}
        place.checks.append(cents)
        story.money["check"] += cents
    else:
        body |= {"method": "cash", "tendered_cents": cents + -cents % 2000}
        place.cash_cents += cents
        story.money["cash"] += cents
    made = await desk.post("front_desk", "payments", "/v1/payments", body, step="pay")
    played.payments.append((made["id"], made["method"], cents))


async def _by_card(desk: Desk, story: Story, played: Played, cents: int, token: str) -> bool:
    """Whether the card was charged: asked for, then looked at until it is known."""
    body = {
        "patient_id": played.patient_id,
        "clinic_id": story.place_of(played).clinic_id,
        "appointment_id": played.appointment_id,
        "method": "card",
        "amount_cents": cents,
        "card_token": token,
    }
    made = await desk.post("front_desk", "payments", "/v1/payments", body, step="pay by card")
    path = f"/v1/payments/{made['id']}"
    found = await desk.until(
        lambda: desk.get("front_desk", "payments", path, step="look"),
        lambda payment: payment["status"] in ("posted", "declined"),
        "the outcome of a card payment",
    )
    posted = bool(found["status"] == "posted")
    if posted:
        played.payments.append((made["id"], "card", cents))
    return posted


async def refund(desk: Desk, story: Story, played: Played) -> None:
    """Give five dollars of the visit's payment back, the way it came; the biller does."""
    paid = [p for p in played.payments if p[1] in ("cash", "card") and p[2] >= REFUND_CENTS]
    if not paid:
        return
    payment_id, method, _ = paid[0]
    body: dict[str, Any] = {"amount_cents": REFUND_CENTS, "reason": "courtesy"}
    place = story.place_of(played)
    if method == "cash":
        body["drawer_id"] = place.drawer_id
        place.cash_cents -= REFUND_CENTS
    path = f"/v1/payments/{payment_id}/refund"
    made = await desk.post("biller", "payments", path, body, step="refund", proven=True)
    await desk.until(
        lambda: desk.get("biller", "payments", f"/v1/refunds/{made['id']}", step="look"),
        lambda found: bool(found["status"] == "posted"),
        "a refund",
    )
    story.money["refunded"] += REFUND_CENTS


async def close(desk: Desk, story: Story) -> list[dict[str, Any]]:
    """Close drawers and days; each day's report. The first try, with a drawer open, is refused."""
    reports = []
    for place in story.places:
        body = {"business_date": DATE.isoformat()}
        path = f"/v1/clinics/{place.clinic_id}/close-day"
        early = await desk.ask(
            "biller", "payments", "POST", path, step="close day", json=body,
            accept=(409,),
        )  # fmt: skip
        if not early.json().get("reasons"):
            raise DayFailed("the day's close was refused without a reason")
        await _close_drawer(desk, place)
        reports.append(await desk.post("biller", "payments", path, body, step="close day"))
    return reports


async def _close_drawer(desk: Desk, place: Place) -> None:
    body = {
        "counted_cents": place.cash_cents,
        "check_count": len(place.checks),
        "check_cents": sum(place.checks),
    }
    path = f"/v1/drawers/{place.drawer_id}/close"
    await desk.post("front_desk", "payments", path, body, step="close drawer")
