"""Codes of the 271 (005010X279A1) that the rules act on, with words of our own.

A code that is not here is kept and shown as it is.
"""

from collections.abc import Mapping
from types import MappingProxyType

ACTIVE = frozenset({"1", "2", "3", "4", "5"})
INACTIVE = frozenset({"6", "7", "8"})
COINSURANCE, COPAY, DEDUCTIBLE, OUT_OF_POCKET, NOT_COVERED = "A", "B", "C", "G", "I"
CONTACT_PAYER, CANNOT_PROCESS = "U", "V"
PLAN = "30"
OFFICE_VISIT = "98"
IN_NETWORK, OUT_OF_NETWORK, EITHER_NETWORK = "Y", "N", "W"
YEAR_TO_DATE, VISIT, REMAINING = "24", "27", "29"

INFORMATION_CODES = frozenset(
    {
        *ACTIVE,
        *INACTIVE,
        *("A", "B", "C", "CB", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "MC", "N"),
        *("O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y"),
    }
)
COVERAGE_LEVELS = frozenset({"", "CHD", "DEP", "ECH", "EMP", "ESP", "FAM", "IND", "SPC", "SPO"})
YES_NO = frozenset({"", "Y", "N", "U"})
NETWORKS = YES_NO | {EITHER_NETWORK}

PERIODS: Mapping[str, str] = MappingProxyType(
    {
        "6": "per hour",
        "7": "per day",
        "13": "per 24 hours",
        "21": "in years",
        "22": "per service year",
        "23": "per calendar year",
        "24": "so far this year",
        "25": "per contract",
        "26": "per episode",
        "27": "per visit",
        "28": "beyond the limit",
        "29": "left",
        "30": "over",
        "31": "not over",
        "32": "in a lifetime",
        "33": "left in a lifetime",
        "34": "per month",
        "35": "per week",
        "36": "per admission",
    }
)

DATES_BEGIN = frozenset({"346", "348", "356"})
DATES_END = frozenset({"347", "349", "357"})
DATES_RANGE = frozenset({"291", "292", "307"})
