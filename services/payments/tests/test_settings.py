"""Who charges cards: the simulated processor at home, nobody by default in production."""

from pathlib import Path

import pytest

from services.payments.app import service
from services.payments.clients import SimulatedProcessor
from services.payments.settings import Cards, Settings
from shared.web.service import UnsafeSettings, app_of
from shared.web.settings import Chassis, Urls

NOWHERE = Urls(app_url="postgresql://nobody@localhost/x")


def given(profile: str, processor: str | None, data: Path = Path("unused")) -> Settings:
    chassis = Chassis.model_validate({"profile": profile, "data": data})
    return Settings(chassis, NOWHERE, Cards.model_validate({"processor": processor}))


@pytest.mark.parametrize("processor", [None, "simulated"])
def test_the_local_profile_charges_simulated_cards_and_remembers_them_in_its_data(
    tmp_path: Path, processor: str | None
) -> None:
    assert isinstance(given("local", processor, tmp_path).processor(), SimulatedProcessor)
    assert (tmp_path / "payments" / "card-processor").is_dir()


@pytest.mark.parametrize(
    ("profile", "processor"), [("local", "none"), ("production", None), ("production", "none")]
)
def test_without_a_processor_nobody_is_charged(profile: str, processor: str | None) -> None:
    assert given(profile, processor).processor() is None


def test_a_production_profile_does_not_start_with_simulated_cards() -> None:
    with pytest.raises(UnsafeSettings) as caught:
        app_of(service(given("production", "simulated")))
    assert "CLINICBUS_PAYMENTS_PROCESSOR" in str(caught.value)


def test_an_app_is_made_without_touching_its_data(tmp_path: Path) -> None:
    service(given("local", None, tmp_path))
    assert list(tmp_path.iterdir()) == []
