"""Whatever is done, in whatever order: the ledger sums to zero and accounts are what it says."""

from collections import defaultdict
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.payments.tests.scene import Scene, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


WHO = st.integers(0, 1)
CENTS = st.sampled_from([1, 99, 2500, 3000, 18000, 40000])
CARD = st.sampled_from(
    ["sim_ok", "sim_declined", "sim_answer_lost", "sim_request_lost", "sim_refund_declined"]
)
DEED = st.one_of(
    st.tuples(st.just("charge"), WHO, st.sampled_from(["V-EST", "V-NEW", "G0008"])),
    st.tuples(st.just("cash"), WHO, CENTS),
    st.tuples(st.just("check"), WHO, CENTS),
    st.tuples(st.just("card"), WHO, st.tuples(CENTS, CARD)),
    st.tuples(st.just("copay"), WHO, CENTS),
    st.tuples(st.just("refund"), st.integers(0, 20), CENTS),
    st.tuples(st.just("errands"), st.just(0), st.just(0)),
)


class Day:
    """Does deeds and keeps its own account of what each patient owes."""

    def __init__(self, at: Scene, patients: list[UUID], drawer: str) -> None:
        self.at, self.patients, self.drawer = at, patients, drawer
        self.owes: defaultdict[UUID, int] = defaultdict(int)
        self.payments: list[dict[str, Any]] = []
        self.sent: dict[str, tuple[UUID, int]] = {}
        self.cash = 0

    async def do(self, deed: str, which: int, what: Any) -> None:
        """Do one deed, if it can be done now."""
        if deed == "errands":
            await self.at.make_errands_due()
            await self.at.run_errands()
            await self.settle()
        elif deed == "refund":
            await self.refund(which, what)
        elif deed == "charge":
            patient = self.patients[which]
            made = await self.at.charge(await self.at.visit(patient), what)
            self.owes[patient] += made["amount_cents"]
        else:
            await self.pay(deed, self.patients[which], what)

    async def pay(self, deed: str, patient: UUID, what: Any) -> None:
        """Take money; a card's counts once its errand has run."""
        if deed == "card":
            cents, token = what
            made = await self.at.pay_by_card(patient, cents, token)
            self.sent[f"/v1/payments/{made['id']}"] = (patient, -cents)
        elif deed == "cash":
            made = await self.at.pay(patient, what, method="cash", drawer_id=self.drawer)
            self.owes[patient] -= what
            self.cash += what
        else:
            more = {}
            if deed == "copay":
                visit = await self.at.visit(patient, copay_cents=3000)
                more = {"appointment_id": str(visit)}
            made = await self.at.pay(patient, what, **more)
            self.owes[patient] -= what
        self.payments.append(made)

    async def refund(self, which: int, cents: int) -> None:
        """Give money back, where there is a payment that has it."""
        if not self.payments:
            return
        paid = self.payments[which % len(self.payments)]
        body = {"amount_cents": cents, "reason": "overpaid"}
        if paid["method"] == "cash":
            body["drawer_id"] = self.drawer
        answer = await self.at.biller.post(f"/v1/payments/{paid['id']}/refund", body)
        assert answer.status_code in (201, 202, 409, 422), answer.text
        patient = UUID(paid["patient_id"])
        if answer.status_code == 202:
            self.sent[answer.headers["location"]] = (patient, cents)
        elif answer.status_code == 201:
            self.owes[patient] += cents
            self.cash -= cents if paid["method"] == "cash" else 0

    async def settle(self) -> None:
        """Count what the processor has done meanwhile."""
        for path, (patient, cents) in list(self.sent.items()):
            status = (await self.at.read(path))["status"]
            if status != "pending":
                del self.sent[path]
                self.owes[patient] += cents if status not in ("declined", "unknown") else 0


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deeds=st.lists(DEED, max_size=12))
async def test_after_any_deeds_the_books_are_right(
    at: Scene, deeds: list[tuple[str, int, Any]]
) -> None:
    day = Day(at, [await at.patient(), await at.patient()], await at.drawer(0))
    for deed in deeds:
        await day.do(*deed)
        await at.ledger_is_sound()
    while day.sent:
        await day.do("errands", 0, 0)
    assert [await at.balance(p) for p in day.patients] == [day.owes[p] for p in day.patients]
    await at.ledger_is_sound()
    trial = (await at.auditor.get("/v1/ledger/trial-balance")).json()
    assert trial["balanced"]
    owed = sum(
        line["cents"] for line in trial["accounts"] if line["account_kind"].startswith("patient_")
    )
    (row,) = await at.rows("SELECT coalesce(sum(balance_cents), 0)::bigint AS all FROM accounts")
    assert owed == row["all"]
    checks = await at.rows(
        "SELECT count(*) AS n, coalesce(sum(amount_cents), 0)::bigint AS cents FROM payments"
        " WHERE drawer_id = $1 AND method = 'check'",
        UUID(day.drawer),
    )
    assert checks[0]["n"] == 0
    closed = await at.desk.post(f"/v1/drawers/{day.drawer}/close", {"counted_cents": day.cash})
    assert (closed.status_code, closed.json()["variance_cents"]) == (200, 0)
