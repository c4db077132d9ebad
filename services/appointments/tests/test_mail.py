"""Mail over a socket to a server that speaks SMTP: what it is, and what comes of each fault."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.appointments.clients import FolderMessenger, Mailer, SmtpMessenger
from services.appointments.clients.smtp import CERTIFICATES_SECONDS
from services.appointments.domain.messages import (
    Lost,
    Message,
    NotSent,
    Outcome,
    Refused,
    Taken,
)
from services.appointments.settings import Messages, Settings
from services.appointments.tests.smtp_server import (
    CUT,
    HANG,
    MailServer,
    certificate,
    listening,
)
from shared.values.ids import new_id
from shared.web.settings import Chassis, Urls

TO = "lupe@example.org"


def message(**more: Any) -> Message:
    plain = Message(new_id(), "Your appointment at Northside", "When: soon.\n", "K7QF2M9XT4BD")
    return replace(plain, **more)


def mailer(server: MailServer, **more: Any) -> Mailer:
    plain = Mailer(
        host="127.0.0.1",
        port=server.port,
        sender="reminders@clinic.test",
        answers_to="answers@clinic.test",
        tls="none",
        seconds=2.0,
    )
    return replace(plain, **more)


async def sent(server: MailServer, given: Message, to: str = TO, **more: Any) -> Outcome:
    return await SmtpMessenger(mailer(server, **more)).send(given, to)


async def test_a_message_arrives_as_it_was_composed() -> None:
    given = message(subject="Your appointment at Clínica Norte", text="Río, 10:00\n.\n..dots\n")
    async with listening(MailServer()) as server:
        assert await sent(server, given) == Taken()
    ((sender, recipient, mail),) = server.received
    assert (sender, recipient) == ("reminders@clinic.test", TO)
    assert (mail["From"], mail["To"]) == ("reminders@clinic.test", TO)
    assert mail["Reply-To"] == "answers@clinic.test"
    assert mail["Subject"] == given.subject
    assert mail["Message-ID"] == f"<{given.id}@clinic.test>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] == f"<mailto:answers@clinic.test?subject=STOP%20{given.code}>"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n") == given.text
    assert "Bcc" not in mail


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_over_tls_with_a_login(tmp_path: Path, tls: str) -> None:
    context, ca = certificate(tmp_path)
    server = MailServer(secure=context, features=("STARTTLS", "AUTH PLAIN"))
    async with listening(server, implicit_tls=tls == "tls"):
        given: dict[str, Any] = {"tls": tls, "ca": ca, "user": "clinic", "password": "secret"}
        assert await sent(server, message(), **given) == Taken()
    assert server.encrypted == [True]
    assert "AUTH" in server.verbs


async def test_certificates_are_read_for_many_messages_at_once_and_anew_after_some_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, real, now = [0], ssl.create_default_context, [1_000.0]

    def counted() -> ssl.SSLContext:
        read[0] += 1
        return real()

    monkeypatch.setattr(ssl, "create_default_context", counted)
    context, ca = certificate(tmp_path)
    async with listening(MailServer(secure=context, features=("STARTTLS",))) as server:
        messenger = SmtpMessenger(mailer(server, tls="starttls", ca=ca), seconds=lambda: now[0])
        for _ in range(3):
            assert await messenger.send(message(), TO) == Taken()
        assert read == [1]
        now[0] += CERTIFICATES_SECONDS
        assert await messenger.send(message(), TO) == Taken()
    assert read == [2]
    async with listening(MailServer()) as plain:
        assert await sent(plain, message()) == Taken()
    assert read == [2]


async def test_a_server_without_tls_gets_neither_login_nor_message() -> None:
    server = MailServer(features=("AUTH PLAIN",))
    async with listening(server):
        outcome = await sent(server, message(), tls="starttls", user="clinic", password="secret")
    assert outcome == NotSent("mail_without_tls")
    assert (server.received, "AUTH" in server.verbs) == ([], False)


@pytest.mark.parametrize("name", ["127.0.0.1", "elsewhere.test"])
async def test_a_server_nobody_vouches_for_gets_no_message(tmp_path: Path, name: str) -> None:
    """By nobody whom we believe, or for another name."""
    context, ca = certificate(tmp_path, name)
    async with listening(MailServer(secure=context)) as server:
        believed = ca if name == "elsewhere.test" else None
        outcome = await sent(server, message(), tls="starttls", ca=believed)
    assert outcome == NotSent("mail_certificate")
    assert server.received == []


FAULTS: list[tuple[dict[str, str], Outcome]] = [
    ({"connect": CUT}, NotSent("mail_away")),
    ({"connect": "554 no"}, NotSent("mail_away")),
    ({"connect": HANG}, NotSent("mail_away")),
    ({"EHLO": CUT}, NotSent("mail_away")),
    ({"AUTH": "535 no"}, NotSent("mail_login")),
    ({"MAIL": "451 later"}, NotSent("mail_later")),
    ({"MAIL": "550 no"}, Refused("mail_refused")),
    ({"MAIL": HANG}, NotSent("mail_away")),
    ({"RCPT": "450 later"}, NotSent("mail_later")),
    ({"RCPT": "550 no such user lupe@example.org"}, Refused("mail_refused")),
    ({"RCPT": CUT}, NotSent("mail_away")),
    ({"DATA": "451 later"}, NotSent("mail_later")),
    ({"DATA": "554 no"}, Refused("mail_refused")),
    # Beyond here the message has gone or may have.
    ({"DATA": CUT}, Lost()),
    ({"dot": CUT}, Lost()),
    ({"dot": HANG}, Lost()),
    ({"dot": "452 full"}, NotSent("mail_later")),
    ({"dot": "552 too big"}, Refused("mail_refused")),
]


@pytest.mark.parametrize(
    ("answers", "expected"), FAULTS, ids=[f"{k}-{v[:3]}" for f, _ in FAULTS for k, v in f.items()]
)
async def test_what_comes_of_a_fault(answers: dict[str, str], expected: Outcome) -> None:
    server = MailServer(answers, features=("AUTH PLAIN",))
    async with listening(server):
        outcome = await sent(server, message(), user="clinic", password="x", seconds=0.3)
    assert outcome == expected
    assert "lupe" not in str(outcome)
    if expected != Lost() and "dot" not in answers:
        assert server.received == []


async def test_where_nobody_listens_nothing_left() -> None:
    async with listening(MailServer()) as server:
        pass
    assert await sent(server, message()) == NotSent("mail_away")


@pytest.mark.parametrize(("verb", "expected"), [("RCPT", NotSent("mail_slow")), ("dot", Lost())])
async def test_after_the_deadline_a_message_that_has_not_gone_never_goes(
    verb: str, expected: Outcome
) -> None:
    server = MailServer({verb: HANG})
    async with listening(server):
        outcome = await sent(server, message(), deadline_seconds=0.2, seconds=1.0)
        assert outcome == expected
        server.over()
    assert len(server.received) == (verb == "dot")


@pytest.mark.parametrize(
    ("to", "subject"),
    [("lupe@example.org\r\nBcc: all@example.org", "x"), (TO, "x\r\nBcc: all@example.org")],
    ids=["address", "subject"],
)
async def test_nothing_breaks_out_of_a_header(to: str, subject: str) -> None:
    async with listening(MailServer()) as server:
        assert await sent(server, message(subject=subject), to) == Refused("address_unusable")
    assert server.verbs == []


async def test_an_address_of_other_letters_needs_a_server_that_knows_them() -> None:
    async with listening(MailServer()) as server:
        assert await sent(server, message(), "guadalupe.peña@ejemplo.test") == Taken()
    assert server.received[0][2]["To"] == "guadalupe.peña@ejemplo.test"
    async with listening(MailServer(features=())) as server:
        outcome = await sent(server, message(), "guadalupe.peña@ejemplo.test")
    assert outcome == Refused("address_unusable")
    assert server.received == []


async def test_in_the_folder_each_message_is_a_file_and_a_second_one_is_seen(
    tmp_path: Path,
) -> None:
    given, folder = message(), tmp_path / "messages"
    outcomes = await asyncio.gather(*(FolderMessenger(folder).send(given, TO) for _ in range(2)))
    assert outcomes == [Taken(), Taken()]
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"{given.id}.2.txt", f"{given.id}.txt"]
    assert files[0].read_text() == f"To: {TO}\nSubject: {given.subject}\n\n{given.text}"
    assert {oct(file.stat().st_mode)[-3:] for file in files} == {"600"}


# ── settings ─────────────────────────────────────────────────────────────────────────────────

_SMTP: dict[str, Any] = {"by": "smtp", "host": "mail.example.org", "sender": "r@example.org"}


@pytest.mark.parametrize(
    ("profile", "told", "refused"),
    [
        ("production", {}, ()),
        ("production", _SMTP, ()),
        ("production", {**_SMTP, "tls": "tls"}, ()),
        ("production", {**_SMTP, "tls": "none"}, ("CLINICBUS_MAIL_TLS",)),
        ("production", {"by": "folder"}, ("CLINICBUS_MAIL_BY",)),
        ("local", {**_SMTP, "tls": "none"}, ()),
        ("local", {"by": "folder"}, ()),
    ],
)
def test_what_production_refuses(
    profile: Any, told: dict[str, Any], refused: tuple[str, ...]
) -> None:
    found = Settings(Chassis(profile=profile), Urls(app_url="x"), Messages(**told)).refused
    assert tuple(text.partition(":")[0] for text in found) == refused


@pytest.mark.parametrize(
    ("profile", "told", "carrier"),
    [
        ("local", {}, FolderMessenger),
        ("production", {}, None),
        ("local", {"by": "none"}, None),
        ("production", _SMTP, SmtpMessenger),
    ],
)
def test_who_carries_mail(profile: Any, told: dict[str, Any], carrier: type | None) -> None:
    found = Settings(Chassis(profile=profile), Urls(app_url="x"), Messages(**told)).messengers()
    assert [type(each) for each in found.values()] == ([carrier] if carrier else [])


def test_a_mail_server_needs_a_name_and_a_sender() -> None:
    with pytest.raises(ValueError, match="CLINICBUS_MAIL_HOST"):
        Messages(by="smtp", host="mail.example.org")
