"""Card numbers are kept out: M47 and M49. The numbers are the public test ones of the schemes."""

import pytest

from services.payments.domain.card_data import without_card_data
from shared.values.errors import Invalid


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242",
        "paid with 4242 4242 4242 4242, thanks",
        "4242-4242-4242-4242",
        "3782 822463 10005",
        "6011.1111.1111.1117",
        "%B4242424242424242^DOE/JANE^30011010000",
        ";4242424242424242=30011010000?",
    ],
)
def test_m47_and_m49_a_card_number_or_stripe_in_a_text_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        without_card_data(text, pointer="/memo")
    assert caught.value.code == "card.data"
    assert caught.value.pointer == "/memo"
    assert "4242" not in f"{caught.value} {caught.value.title} {caught.value.facts}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "check 1042, paid by a friend",
        "4242424242424241",
        "call (303) 555-0142 or 303-555-0143",
        "000042 and 000043",
        "12345678901234567890123",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert without_card_data(text, pointer="/memo") == text
