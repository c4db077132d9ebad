"""Which rule is kept by what, and which test shows it: `docs/compliance.md`.

A test says which rules it shows: `@pytest.mark.rule("45 CFR 164.312(b)")`, or in `pytestmark` for
all of a module. The table here says what each rule asks for. A rule that is not open has a test,
and a test names no rule that is not here: both are checked. No test of a rule may be skipped.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("shared", "services", "ops", "tests")
MARK = "rule"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule asks for, and what keeps it. open: what is still missing, if anything is."""

    name: str
    asks: str
    kept_by: str = ""
    open: str = ""


RULES: tuple[Rule, ...] = (
    Rule("45 CFR 164.308(a)(1)(ii)(D)", "information system activity review",
         "`GET /v1/audit-entries`, `clinicbus audit who-saw`; reviews of emergency access",
         "a monthly report"),
    Rule("45 CFR 164.308(a)(3)(ii)(C)", "termination procedures",
         "revocations: refused within a minute, in all services"),
    Rule("45 CFR 164.308(a)(4)", "information access management",
         "roles and permissions as data, clinics from the token, SMART v2 scopes"),
    Rule("45 CFR 164.308(a)(5)(ii)(C)", "log-in monitoring",
         "the issuer lets somebody try so often; refused tokens are logged and counted",
         "an alarm, and a report of failures"),
    Rule("45 CFR 164.308(a)(6)", "security incident procedures",
         "who saw a patient, over all services"),
    Rule("45 CFR 164.308(a)(7)", "backup, restore, emergency mode",
         open="a restore drill; a day sheet that is there while services are not"),
    Rule("45 CFR 164.310(a)(2)(iii)", "access control and validation procedures",
         "a log of visitors: who, why, whom they see, their badge, when they came and left"),
    Rule("45 CFR 164.312(a)(1)", "access control",
         "every route has a permission; row security by network; patients see themselves"),
    Rule("45 CFR 164.312(a)(2)(i)", "unique user identification",
         "every audit row and event names who; machines are named"),
    Rule("45 CFR 164.312(a)(2)(ii)", "emergency access procedure",
         "break-glass: a reason, one patient, 60 minutes, a review by somebody else",
         "codes for when the issuer is away"),
    Rule("45 CFR 164.312(a)(2)(iii)", "automatic logoff",
         open="tokens end by themselves; idle sessions are the issuer's and the portal's"),
    Rule("45 CFR 164.312(a)(2)(iv)", "encryption at rest",
         open="fields of their own key; disks are encrypted by whoever runs them"),
    Rule("45 CFR 164.312(b)", "audit controls",
         "a row for each access in its transaction; no row, no data; sealed and anchored"),
    Rule("45 CFR 164.312(c)(1)", "integrity",
         "changes need the version that was read; files are served as they came or not at all"),
    Rule("45 CFR 164.312(c)(2)", "mechanism to authenticate records",
         "the chain of the audit, its anchors, and a verifier of its own"),
    Rule("45 CFR 164.312(d)", "person or entity authentication",
         "tokens by RFC 8725 and 9068; a fresh proof by two factors for refunds and break-glass"),
    Rule("45 CFR 164.312(e)(1)", "transmission security",
         "production refuses a plaintext database, broker or issuer"),
    Rule("45 CFR 164.316(b)(2)(i)", "documentation is kept for six years",
         "nobody has a right to delete an audit row", "retention classes and legal hold"),
    Rule("45 CFR 164.502(a)", "no use or disclosure but as permitted",
         "no value of a person in logs, metrics, spans, events, refusals or temporary files"),
    Rule("45 CFR 164.502(b)", "minimum necessary",
         "lesser permissions read views with a list of fields; a biller the documents of a claim",
         "sets of fields by purpose; exports"),
    Rule("45 CFR 164.502(g)", "personal representatives",
         "a register of proxies: authority, scope, time, evidence; no token counts without it",
         "care that a minor consents to alone; what counts after death"),
    Rule("45 CFR 164.514(b)(2)", "de-identification", open="an export without identifiers"),
    Rule("45 CFR 164.522(a)(1)(vi)", "restriction of what was paid in full", open="all of it"),
    Rule("45 CFR 164.522(b)", "confidential communications",
         "reminders go by what the patient chose, say the least, and end at a word",
         "another address than that on record; letters and calls"),
    Rule("45 CFR 164.524", "access of individuals", open="requests, their clock, the export"),
    Rule("45 CFR 164.526", "amendment", open="all of it"),
    Rule("45 CFR 164.528", "accounting of disclosures", open="all of it"),
    Rule("42 CFR Part 2", "records of substance use disorder", open="all of it"),
    Rule("45 CFR Part 171", "information blocking", open="the export of everything"),
    Rule("45 CFR 149.610", "good-faith estimate", open="deadlines for who pays themselves"),
    Rule("45 CFR 170.315(d)(2)", "auditable events and tamper-resistance",
         "who, what, when, which patient, which outcome; alteration is detected"),
    Rule("45 CFR 170.315(d)(3)", "audit reports", "entries by patient and time",
         "sorting by each field"),
    Rule("PCI DSS 3.3", "no card number is kept",
         "card numbers are refused in every text; cards are tokens"),
)  # fmt: skip


def marked(root: Path = ROOT) -> dict[str, list[str]]:
    """Rule to the tests that show it, as pytest names them, from the code of the tests."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for place in PLACES:
        for path in sorted((root / place).rglob("test_*.py")):
            where = str(path.relative_to(root))
            for names, test in _marks(ast.parse(path.read_text())):
                for name in names:
                    found[name].append(f"{where}::{test}" if test else where)
    return dict(found)


def _marks(tree: ast.Module) -> Iterator[tuple[list[str], str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets
        ):
            yield _names(node.value), ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [name for each in node.decorator_list for name in _names(each)]
            yield names, node.name


def _names(node: ast.expr) -> list[str]:
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    return [
        str(argument.value)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == MARK
        for argument in call.args
        if isinstance(argument, ast.Constant)
    ]


def faults(tests: Mapping[str, Sequence[str]], rules: Sequence[Rule] = RULES) -> list[str]:
    """What does not fit together, a sentence each."""
    known = {rule.name for rule in rules}
    found = [
        f"{name} is shown by a test and is no rule here." for name in tests if name not in known
    ]
    for rule in rules:
        if rule.kept_by and not tests.get(rule.name):
            found.append(f"{rule.name} is said to be kept, and no test shows it.")
        if not rule.kept_by and tests.get(rule.name):
            found.append(f"{rule.name} is shown by a test and does not say what keeps it.")
        if not rule.kept_by and not rule.open:
            found.append(f"{rule.name} says neither what keeps it nor what is missing.")
    return found


def page(tests: Mapping[str, Sequence[str]] | None = None) -> str:
    """docs/compliance.md. Raises ValueError for what does not fit together."""
    shown = marked() if tests is None else tests
    if wrong := faults(shown):
        raise ValueError(" ".join(wrong))
    lines = [
        "# Rules, what keeps them, and what shows it",
        "",
        "Generated from the markers of the tests and `ops/compliance.py`; `make docs` writes it.",
        "A rule that is kept has a test that is run with all others and may not be skipped. This",
        "is a map for whoever answers for compliance, and no legal advice.",
        "",
        "| rule | asks for | kept by | shown by | open |",
        "| --- | --- | --- | --- | --- |",
    ]
    for rule in RULES:
        tests_of = "<br>".join(f"`{each}`" for each in shown.get(rule.name, ())) or "nothing"
        state = rule.open or "nothing"
        kept = rule.kept_by or "**not yet**"
        lines.append(f"| {rule.name} | {rule.asks} | {kept} | {tests_of} | {state} |")
    return "\n".join([*lines, ""])
