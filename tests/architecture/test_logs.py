"""What our own log lines may be made of: every call in the source is looked at."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.web.logs import _NAME, ALLOWED
from tests.architecture.test_source import ROOT, sources

LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
REVIEWED = {
    "str(error)": {
        "shared/web/adapter.py": "BadToken: codes, and the types of errors of the library below",
        "ops/issuer_clients.py": "BadAssertion: the same",
        "ops/issuer_revocations.py": "BadToken: the same",
        "shared/bus/process.py": "GroupBroken: types of errors, and sentences of ours",
    },
    "f\"document/{call.id('document_id')}\"": {"services/documents/api/content.py": "an id"},
    "str(principal.actor)": {"ops/issuer_revocations.py": "a kind and an id"},
    "type(late).__name__": {"shared/web/adapter.py": "a type"},
    "type(error).__name__": {"*": "a type"},
    "_route(request)": {"shared/web/problems.py": "the declared path"},
}
"""What is worked out in a call of a logger, where, and why it holds nothing of anybody."""
WHOLE = (ast.Constant, ast.Name, ast.Attribute, ast.Subscript)


def calls(text: str) -> Iterator[ast.Call]:
    """The calls of a logger in a source."""
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and ast.unparse(node.func.value) in {"log", "logger", "logging", "self._log"}
        ):
            yield node


def faults(where: str, call: ast.Call) -> list[str]:
    """What is wrong with a call."""
    found = []
    if len(call.args) != 1:
        found.append("has an event, and nothing else without a name")
    named = call.args[0] if call.args else ast.Constant("")
    if isinstance(named, ast.Constant):
        if not _NAME.fullmatch(str(named.value)):
            found.append("its event is not a name")
    elif not (isinstance(named, ast.Attribute) and named.attr == "code"):
        found.append("its event is put together")
    for given in call.keywords:
        if given.arg == "exc_info":
            continue
        if given.arg not in ALLOWED:
            found.append(f"{given.arg} is not listed")
        text = ast.unparse(given.value)
        reviewed = REVIEWED.get(text, {})
        if not isinstance(given.value, WHOLE) and not {where, "*"} & set(reviewed):
            found.append(f"{text} is not reviewed")
    return found


def test_every_line_has_a_name_and_listed_members() -> None:
    found, counted = [], 0
    for path in sources():
        if "tests" in path.parts:
            continue
        where = str(path.relative_to(ROOT))
        for call in calls(path.read_text()):
            counted += 1
            found += [f"{where}:{call.lineno}: {fault}" for fault in faults(where, call)]
    assert found == []
    assert counted > 30


def test_every_reviewed_expression_is_still_there() -> None:
    for text, places in REVIEWED.items():
        for place in set(places) - {"*"}:
            assert text in ast.unparse(ast.parse((ROOT / place).read_text())), (text, place)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("log.info(f'patient {name}')", "its event is put together"),
        ("log.info('Patient came')", "its event is not a name"),
        ("log.info('a.thing', name)", "has an event, and nothing else without a name"),
        ("log.info('a.thing', family=name)", "family is not listed"),
        ("log.info('a.thing', reason=str(error))", "str(error) is not reviewed"),
        ("log.info('a.thing', reason=f'{name}')", "f'{name}' is not reviewed"),
        ("log.info('a.thing', **body)", "None is not listed"),
        ("logging.info('a.thing', name)", "has an event, and nothing else without a name"),
    ],
)
def test_a_planted_line_is_found(source: str, fault: str) -> None:
    (call,) = calls(source)
    assert fault in faults("services/patients/api/people.py", call)


def test_every_program_of_ours_lets_nothing_out_uncaught() -> None:
    """Each module that is started as a process makes the hooks its first deed."""
    started = {
        "shared/web/run.py": "uncaught.install()",
        "shared/db/migrate.py": "uncaught.install()",
        "ops/cli.py": "install()",
        "ops/issuer.py": "configure_from(os.environ)",
        "ops/payer_simulator/__main__.py": "configure_from(os.environ)",
        "ops/prepare.py": "configure_from(os.environ)",
    }
    for where, deed in started.items():
        assert deed in (ROOT / where).read_text(), where
    serving = [p for p in sources() if "tests" not in p.parts and _serves(p)]
    assert len(serving) == 4
    for path in serving:
        assert "log_config=None" in path.read_text(), path


def _serves(path: Path) -> bool:
    text = path.read_text()
    return "uvicorn.run(" in text or "uvicorn.Config(" in text


# ── the data's own library ───────────────────────────────────────────────────────────────────────


def test_every_engine_hides_the_parameters_of_what_fails() -> None:
    """SQLAlchemy's errors hold statement and parameters, unless it is told to hide them."""
    found = []
    for path in (p for p in sources() if "tests" not in p.parts):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {
                "create_engine",
                "create_async_engine",
                "create_mock_engine",
                "engine_from_config",
                "async_engine_from_config",
            }:
                hidden = {k.arg: ast.unparse(k.value) for k in node.keywords}
                found.append((str(path.relative_to(ROOT)), hidden.get("hide_parameters")))
    assert found
    assert [where for where, hidden in found if hidden != "True"] == []
