"""Postal addresses."""

import re
from dataclasses import dataclass

from shared.values.errors import Invalid
from shared.values.text import checked_line, compact_form, search_form

LINES_MAX = 4
LINE_LENGTH_MAX = 100

# ISO 3166-1 alpha-2, officially assigned.
_ISO_3166 = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR "
    "BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ "
    "EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW "
    "GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY "
    "KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV "
    "MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY "
    "QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG "
    "TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM "
    "ZW"
)
COUNTRIES = frozenset(_ISO_3166.split())

# USPS Publication 28, appendix B: states, the district, territories, military mail.
_USPS = (
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ "
    "NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS FM GU MH MP PW PR VI AA AE "
    "AP"
)
STATES = frozenset(_USPS.split())

_POSTAL = {
    "US": re.compile(r"(?!00000)[0-9]{5}(-[0-9]{4})?"),
    # Canada Post: D, F, I, O, Q and U are never used; W and Z never come first.
    "CA": re.compile(r"[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z] ?[0-9][ABCEGHJ-NPRSTV-Z][0-9]"),
}
_POSTAL_ELSEWHERE = re.compile(r"[A-Z0-9][A-Z0-9 \-]{0,10}[A-Z0-9]")


@dataclass(frozen=True, slots=True)
class Address:
    """Where mail reaches somebody. state and postal_code are missing where there are none."""

    lines: tuple[str, ...]
    city: str
    state: str | None
    postal_code: str | None
    country: str = "US"


def checked_address(
    *,
    lines: list[str],
    city: str,
    state: str | None,
    postal_code: str | None,
    country: str = "US",
    pointer: str = "/address",
) -> Address:
    """The address in NFC. In the United States state and postal code are needed and known.

    Raises Invalid: ``address.lines`` (none, or more than four), ``address.country``,
    ``address.state``, ``address.postal_code``, and what `checked_line` raises.
    """
    if not 1 <= len(lines) <= LINES_MAX:
        title = "An address has one to four lines."
        raise Invalid("address.lines", title, pointer=f"{pointer}/lines")
    if country not in COUNTRIES:
        title = "The country is not a code of ISO 3166-1."
        raise Invalid("address.country", title, pointer=f"{pointer}/country")
    return Address(
        lines=tuple(
            checked_line(line, pointer=f"{pointer}/lines/{place}", limit=LINE_LENGTH_MAX)
            for place, line in enumerate(lines)
        ),
        city=checked_line(city, pointer=f"{pointer}/city", limit=LINE_LENGTH_MAX),
        state=_checked_state(state, country, f"{pointer}/state"),
        postal_code=_checked_postal_code(postal_code, country, f"{pointer}/postal_code"),
        country=country,
    )


def address_key(address: Address) -> str:
    """What two writings of one address have in common: the first line and the short code."""
    postal = compact_form((address.postal_code or address.city).partition("-")[0])
    return f"{search_form(address.lines[0])}|{postal}"


def _checked_state(state: str | None, country: str, pointer: str) -> str | None:
    if country == "US":
        if state is None or state.upper() not in STATES:
            raise Invalid("address.state", "The state is not one that mail knows.", pointer=pointer)
        return state.upper()
    return None if state is None else checked_line(state, pointer=pointer, limit=LINE_LENGTH_MAX)


def _checked_postal_code(code: str | None, country: str, pointer: str) -> str | None:
    if code is None and country != "US":
        return None
    packed = (code or "").strip(" ").upper()
    if not _POSTAL.get(country, _POSTAL_ELSEWHERE).fullmatch(packed):
        title = "The postal code is not one of that country."
        raise Invalid("address.postal_code", title, pointer=pointer)
    return packed
