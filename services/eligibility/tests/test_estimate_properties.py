"""What holds for every estimate."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.eligibility.domain.benefits import Benefit, Benefits
from services.eligibility.domain.estimate import Estimate, Service, estimate
from services.eligibility.domain.verdict import Status, Verdict

CENTS = st.integers(0, 50_000)
SERVICES = st.lists(
    st.builds(
        lambda number, fee, share: Service(f"V-{number}", f"f{number}", fee, fee * share // 100),
        st.integers(1, 9),
        CENTS,
        st.integers(0, 100),
    ),
    min_size=1,
    max_size=4,
)
LINES = st.lists(
    st.builds(
        lambda **values: Benefit(index=0, segment=0, plan="P", **values),
        code=st.sampled_from(["1", "6", "A", "B", "C", "G", "I", "ZZ"]),
        level=st.sampled_from(["", "IND", "FAM", "XXX"]),
        service_types=st.sampled_from([(), ("30",), ("98",), ("98", "30"), ("35",)]),
        period=st.sampled_from(["", "23", "24", "27", "29"]),
        amount_cents=st.none() | CENTS,
        percent=st.none() | st.decimals(0, 1, places=3),
        network=st.sampled_from(["", "Y", "N", "W", "U"]),
    ),
    max_size=10,
)


def answer(lines: list[Benefit]) -> Benefits:
    plan = Benefit(1, 1, "1", service_types=("30",))
    numbered = (replace(line, index=number) for number, line in enumerate(lines, start=2))
    return Benefits("", "", (), (), None, None, (), (plan, *numbered), ())


ACTIVE = Verdict("active", "payer.active")


@given(SERVICES, LINES, st.booleans(), st.dates(date(2026, 1, 1), date(2026, 12, 31)))
def test_parts_sum_to_the_fee_and_none_is_negative(
    services: list[Service], lines: list[Benefit], in_network: bool, on: date
) -> None:
    found = estimate(ACTIVE, services, answer(lines), in_network=in_network, on=on)
    assert found.fee_cents == sum(service.fee_cents for service in services)
    assert found.patient_cents + found.payer_cents == found.fee_cents
    assert all(line.cents >= 0 for line in found.lines)
    assert 0 <= found.low_cents <= found.high_cents == found.patient_cents
    assert bool(found.reasons) is not found.certain
    assert all(line.sources for line in found.lines if line.cents and line.side == "payer")


@given(SERVICES, LINES)
def test_the_patient_never_pays_above_the_allowed_amount_of_what_is_covered(
    services: list[Service], lines: list[Benefit]
) -> None:
    found = estimate(ACTIVE, services, answer(lines))
    not_covered = sum(line.cents for line in found.lines if line.code == "not_covered")
    covered = found.patient_cents - not_covered
    assert covered <= sum(service.allowed for service in services)


@given(
    SERVICES,
    LINES,
    st.sampled_from(["self_pay", "inactive", "unverified"]),
)
def test_without_active_cover_the_most_is_the_fee(
    services: list[Service], lines: list[Benefit], status: Status
) -> None:
    found = estimate(Verdict(status, "some.reason"), services, answer(lines))
    assert found.high_cents == found.fee_cents == sum(service.fee_cents for service in services)
    assert found.low_cents == (0 if status == "unverified" else found.fee_cents)


@dataclass(frozen=True)
class Terms:
    """A plan without a copay, all of it known."""

    deductible: int
    share: Decimal
    maximum: int

    def price(self, services: list[Service]) -> Estimate:
        lines = [
            Benefit(0, 0, "C", "IND", ("30",), period="29", amount_cents=self.deductible),
            Benefit(0, 0, "A", "IND", ("30",), percent=self.share),
            Benefit(0, 0, "G", "IND", ("30",), period="29", amount_cents=self.maximum),
        ]
        return estimate(ACTIVE, services, answer(lines))


TERMS = st.builds(Terms, CENTS, st.decimals(0, 1, places=3), CENTS)


@given(SERVICES, TERMS, st.integers(1, 20_000))
def test_more_deductible_share_or_maximum_never_costs_less(
    services: list[Service], terms: Terms, more: int
) -> None:
    now = terms.price(services).patient_cents
    share = min(Decimal(1), terms.share + Decimal(more) / 20_000)
    for other in (
        replace(terms, deductible=terms.deductible + more),
        replace(terms, maximum=terms.maximum + more),
        replace(terms, share=share),
    ):
        assert other.price(services).patient_cents >= now


@given(SERVICES, TERMS)
def test_the_patient_never_pays_above_what_is_left_of_the_maximum(
    services: list[Service], terms: Terms
) -> None:
    found = terms.price(services)
    assert found.certain
    assert found.patient_cents <= terms.maximum


@given(CENTS, st.integers(1, 20_000), TERMS)
def test_a_dearer_service_never_costs_the_patient_less(fee: int, more: int, terms: Terms) -> None:
    cheap, dear = Service("V-A", "f1", fee), Service("V-A", "f1", fee + more)
    assert terms.price([dear]).patient_cents >= terms.price([cheap]).patient_cents


@given(SERVICES, TERMS)
def test_lines_explain_themselves_in_seven_lines_a_service(
    services: list[Service], terms: Terms
) -> None:
    assert len(terms.price(services).lines) <= 7 * len(services)
