"""What a process says: only listed keys, no message of anybody's, one line a line.

`SECRET` stands for a value of a person: it has what tears a line apart, and what JSON escapes.
"""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.db import uncaught
from shared.web import card_numbers, logs

ROOT = Path(__file__).resolve().parents[3]
SECRET = 'Sögmundsdóttir 1961-03-09\r\n{"event": "forged"}'
BARE = "Sögmundsdóttir".encode("ascii", "backslashreplace").decode()
ID = UUID("0190a1b2-0000-7000-8000-000000000001")


def kept(**event: Any) -> dict[str, Any]:
    """What is left of a line."""
    return dict(logs.keep_allowed(None, "info", {"event": "a.thing", **event}))


def run(code: str, *, level: str = "DEBUG") -> list[dict[str, Any]]:
    """The lines that a program says, each of which has to be JSON with listed keys alone."""
    begin = f"from shared.web.logs import configure; configure({level!r}); SECRET = {SECRET!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == ""
    said = [json.loads(line) for line in done.stderr.split("\n") if line]
    assert said, "it said nothing"
    for line in said:
        assert set(line) <= logs.ALLOWED
    for part in ("gmundsd", "1961-03", "forged", BARE):
        assert part not in done.stderr
    return said


# ── the list ─────────────────────────────────────────────────────────────────────────────────────


def test_nothing_comes_after_the_list_but_the_rendering() -> None:
    found = run(
        "import structlog, sys\n"
        "last = structlog.get_config()['processors'][-2:]\n"
        "structlog.get_logger().info('a.list', reason=' '.join(\n"
        "    getattr(p, '__name__', type(p).__name__) for p in last))"
    )
    assert found[0]["reason"] == "keep_allowed JSONRenderer"


def test_a_key_that_is_not_listed_is_dropped() -> None:
    assert kept(family=SECRET, reason="busy", count=3) == {
        "event": "a.thing",
        "reason": "busy",
        "count": 3,
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (7, 7),
        (0.5, 0.5),
        (True, True),
        (None, None),
        (ID, str(ID)),
        ("23514 known_visits_check", "23514 known_visits_check"),
        ("halted: clinicbus.x.y.v1/3 (at 7)", "halted: clinicbus.x.y.v1/3 (at 7)"),
        (SECRET, "not shown"),
        ("one\nline", "not shown"),
        ("\u2028", "not shown"),
        ("a@b.test", "not shown"),
        ('Key (family)=("x")', "not shown"),
        ("x" * 601, "not shown"),
        (ValueError(SECRET), "ValueError"),
        ([SECRET], "list"),
        ({"family": SECRET}, "dict"),
        (SECRET.encode(), "bytes"),
    ],
    ids=str,
)
def test_a_value_is_a_number_an_id_or_plain_words(value: Any, shown: Any) -> None:
    assert kept(reason=value)["reason"] == shown


@pytest.mark.parametrize("name", [SECRET, f"patient {SECRET} failed", "Has Blanks", "", "é.x", 5])
def test_an_event_is_named_and_not_described(name: Any) -> None:
    assert kept(event=name)["event"] == "event.unnamed"


def test_positional_arguments_and_names_for_an_exception_do_not_pass() -> None:
    found = run(
        "import structlog\n"
        "log = structlog.get_logger()\n"
        "log.warning('a.thing %s', SECRET)\n"
        "log.warning('a.thing', exception=SECRET, event_type=SECRET)\n"
    )
    assert [line["event"] for line in found] == ["event.unnamed", "a.thing"]
    assert "exception" not in found[1]


def test_of_an_exception_the_place_and_the_types_are_told() -> None:
    found = run(
        "import structlog\n"
        "def reading():\n"
        "    try:\n"
        "        {}[SECRET]\n"
        "    except KeyError as error:\n"
        "        raise ValueError(SECRET) from error\n"
        "try:\n"
        "    reading()\n"
        "except ValueError:\n"
        "    structlog.get_logger().exception('a.fault')\n"
    )
    assert found[0]["exception"].startswith("ValueError from KeyError at <string>")
    assert found[0]["exception"].endswith(":reading")


# ── what others say ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("library", ["httpx", "asyncpg", "sqlalchemy.engine", "aiokafka", "any"])
def test_what_a_library_says_is_where_and_not_what(library: str) -> None:
    found = run(
        "import logging\n"
        f"log = logging.getLogger({library!r})\n"
        "log.info('GET http://x/?family=%s', SECRET)\n"
        "log.error(SECRET)\n"
        "log.warning('%d', SECRET)\n"  # cannot be written
        "try:\n"
        "    raise LookupError(SECRET)\n"
        "except LookupError:\n"
        "    log.exception('%s', SECRET, extra={'family': SECRET}, stack_info=True)\n"
    )
    assert [line["event"] for line in found] == ["library.said"] * 4
    assert [line["logger"] for line in found] == [library] * 4
    assert [line["level"] for line in found] == ["info", "error", "warning", "error"]
    assert found[3]["exception"].startswith("LookupError at <string>")


def test_libraries_are_silent_below_warnings_but_in_debug() -> None:
    found = run(
        "import logging\n"
        "logging.getLogger('httpx').info(SECRET)\n"
        "logging.getLogger('httpx').warning(SECRET)\n",
        level="INFO",
    )
    assert [line["level"] for line in found] == ["warning"]


def test_a_library_that_brought_its_own_handler_does_not_keep_it() -> None:
    begin = (
        "import logging, sys\n"
        "own = logging.getLogger('own')\n"
        "own.addHandler(logging.StreamHandler(sys.stderr))\n"
        "own.propagate = False\n"
        "from shared.web.logs import configure\n"
        "configure('DEBUG')\n"
        "own.error(SECRET)\n"
    )
    assert [line["event"] for line in run(begin)] == ["library.said"]


def test_warnings_are_told_by_their_kind_and_place() -> None:
    (found,) = run(
        "import warnings\n"
        "from pydantic import BaseModel\n"
        "class Person(BaseModel):\n"
        "    born: int\n"
        "person = Person.model_construct(born=SECRET)\n"
        "person.model_dump_json()\n"
    )
    assert (found["event"], found["kind"]) == ("python.warning", "UserWarning")
    assert found["place"].startswith("main.py:")


# ── what nobody caught ───────────────────────────────────────────────────────────────────────────


def test_an_uncaught_error_ends_a_program_with_its_place() -> None:
    (found,) = run("def deed():\n    raise ValueError(SECRET)\ndeed()\n")
    assert (found["event"], found["level"]) == ("process.uncaught", "critical")
    assert found["exception"].startswith("ValueError at <string>:")


def test_an_error_in_a_group_tells_of_neither() -> None:
    (found,) = run("raise ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)])")
    assert found["exception"].startswith("ExceptionGroup at")


def test_an_uncaught_error_of_a_thread() -> None:
    (found,) = run(
        "import threading\n"
        "def deed():\n    raise ValueError(SECRET)\n"
        "thread = threading.Thread(target=deed, name=SECRET)\nthread.start()\nthread.join()\n"
    )
    assert found["event"] == "thread.uncaught"


def test_an_error_of_a_finalizer() -> None:
    (found,) = run(
        "class Thing:\n"
        "    def __repr__(self):\n        return SECRET\n"
        "    def __del__(self):\n        raise ValueError(SECRET)\n"
        "thing = Thing()\ndel thing\n"
    )
    assert found["event"] == "python.unraisable"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_error_of_a_task_or_callback_that_nobody_awaits(loop: str) -> None:
    found = run(
        f"import asyncio, gc, {loop}\n"
        "async def deed(text):\n    raise ValueError(text)\n"
        "def callback(text):\n    raise KeyError(text)\n"
        "async def main():\n"
        "    running = asyncio.get_running_loop()\n"
        "    running.call_soon(callback, SECRET)\n"
        "    task = asyncio.create_task(deed(SECRET), name=SECRET)\n"
        "    await asyncio.sleep(0.01)\n"
        "    del task\n"
        "    gc.collect()\n"
        "    running.call_exception_handler({'message': SECRET, 'secret': SECRET})\n"
        f"{loop}.run(main())\n"
    )
    errors = [line for line in found if line["level"] == "error"]
    assert [line["logger"] for line in errors] == ["asyncio"] * 3
    assert [line.get("exception", "none").split(" ")[0] for line in errors] == [
        "KeyError",
        "ValueError",
        "none",
    ]


SERVED = """
import asyncio, httpx, uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
async def fails(request):
    raise ValueError(SECRET)
async def main():
    config = uvicorn.Config(Starlette(routes=[Route("/{{rest:path}}", fails)]), port=0,
        log_config={log_config}, access_log=False, log_level="debug", loop="asyncio")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{{port}}/Sögmundsdóttir", params={{"q": SECRET}})
        assert answer.status_code == 500
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / Sogmundsdottir\\r\\n\\r\\n")
    await reader.read()
    writer.close()
    server.should_exit = True
    await serving
asyncio.run(main())
"""


def test_a_server_tells_of_a_fault_by_its_place() -> None:
    found = run(SERVED.format(log_config=None))
    (failed,) = [line for line in found if "exception" in line]
    assert failed["logger"] == "uvicorn.error"
    assert failed["exception"].startswith("ValueError at")
    # An invalid request, too.
    assert "warning" in {line["level"] for line in found if line["logger"] == "uvicorn.error"}


def test_with_the_servers_own_handlers_the_test_above_would_fail() -> None:
    own = SERVED.format(log_config="uvicorn.config.LOGGING_CONFIG")
    with pytest.raises(json.JSONDecodeError):
        run(own)


@pytest.mark.parametrize(
    ("given", "level"), [("DEBUG", "DEBUG"), ("warning", "WARNING"), ("loud", "INFO"), ("", "INFO")]
)
def test_a_program_without_settings_is_as_loud_as_the_variable_says(
    given: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(logs, "configure", heard.append)
    logs.configure_from({"CLINICBUS_LOG_LEVEL": given} if given else {})
    assert heard == [level]


# ── no guard is idle ─────────────────────────────────────────────────────────────────────────────


def test_without_the_list_a_value_would_be_said() -> None:
    code = (
        "import structlog\n"
        "found = [p for p in structlog.get_config()['processors']\n"
        "    if getattr(p, '__name__', '') != 'keep_allowed']\n"
        "structlog.configure(processors=found)\n"
        "structlog.get_logger().info('a.thing', family=SECRET)\n"
    )
    with pytest.raises(AssertionError):
        run(code)


@pytest.mark.parametrize(
    "hook", ["sys.excepthook = sys.__excepthook__", "logging.getLogger().handlers.clear()"]
)
def test_without_a_hook_a_message_would_be_said(hook: str) -> None:
    code = (
        "import logging, sys, warnings\n"
        f"{hook}\n"
        "logging.basicConfig()\n"
        "logging.error(SECRET)\n"
        "raise ValueError(SECRET)\n"
    )
    with pytest.raises((AssertionError, json.JSONDecodeError)):
        run(code)


def test_a_place_is_told_of_an_error_that_was_never_raised() -> None:
    assert uncaught.place_of(ValueError(SECRET)) == "ValueError"


def test_a_record_is_written_though_its_logger_has_an_odd_name() -> None:
    record = logging.LogRecord(SECRET, logging.ERROR, "a.py", 1, SECRET, None, None)
    assert json.loads(logs.Placed().format(record))["logger"] == "not shown"


# ── our programs ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"CLINICBUS_LOG_LEVEL": SECRET}, "log_level (literal_error)"),
        ({"CLINICBUS_URLS": SECRET}, "urls (value_error)"),
        ({}, "app_url (missing)"),
    ],
    ids=["level", "urls", "missing"],
)
def test_a_setting_that_cannot_be_read_is_named_and_not_repeated(
    variables: dict[str, str], named: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shared.web.run", "services.patients.app:service", "--port", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", **variables},
    )
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == f"Settings are missing or cannot be read: {named}.\n"


def test_a_command_that_fails_by_a_fault_of_ours_says_where() -> None:
    code = (
        "from ops import cli\n"
        "@cli.app.command()\n"
        "def fails():\n"
        f"    raise ValueError({SECRET!r})\n"
        "import sys\n"
        "sys.argv = ['clinicbus', 'fails']\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("A fault of ours: ValueError at ")
    assert done.stderr.count("\n") == 1
    assert "gmundsd" not in done.stderr


def test_p27_line_ends_in_a_value_end_no_line() -> None:
    """P27 of the list of bad inputs."""
    found = run(
        "import structlog\n"
        "text = 'a\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029b'\n"
        "structlog.get_logger().warning('a.thing', reason=text, route=SECRET)\n"
    )
    assert [(line["reason"], line["route"]) for line in found] == [("not shown", "not shown")]


# ── numbers of cards ─────────────────────────────────────────────────────────────────────────────


def test_no_card_number_is_shown_whatever_brought_it() -> None:
    assert kept(reason="paid with 4111 1111 1111 1111")["reason"] == logs.NOT_SHOWN
    assert kept(reason=f"paid with {ID}")["reason"] == f"paid with {ID}"


def test_no_number_of_others_has_a_key() -> None:
    """What a request may hold that looks like a card's number is nothing that a line can hold."""
    assert logs.ALLOWED.isdisjoint(card_numbers.NUMBERS)
    for name in card_numbers.NUMBERS:
        assert name not in kept(**{name: "4111111111111111"})
