"""E-mail by SMTP (RFC 5321), over TLS (RFC 3207, RFC 8314), one connection a message."""

import asyncio
import smtplib
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from pathlib import Path
from threading import Lock
from typing import Literal

from services.appointments.domain.messages import (
    Lost,
    Message,
    NotSent,
    Outcome,
    Refused,
    Taken,
)

DEADLINE_SECONDS = 40.0
"""For all of it; well below the lease of an errand, which is a minute."""
CERTIFICATES_SECONDS = 600.0
"""How long the certificates that are believed are kept: to read them takes 10 ms of processor, and
for one message more than all the rest."""
_PERMANENT = range(500, 600)


@dataclass(frozen=True, slots=True)
class Mailer:
    """How mail goes out. answers_to: where answers and words that stop go. seconds: how long each
    step may take. ca: certificates to believe besides the system's."""

    host: str
    port: int
    sender: str
    answers_to: str
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str | None = None
    seconds: float = 10.0
    ca: Path | None = None
    deadline_seconds: float = DEADLINE_SECONDS


class _Crossing:
    """Who comes first: the message that goes beyond recall, or the deadline that recalls it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._decided: str | None = None

    def first(self, who: str) -> bool:
        """Whether `who` was the first; from then on nobody else is."""
        with self._lock:
            if self._decided is None:
                self._decided = who
            return self._decided == who


class SmtpMessenger:
    """See `Messenger`. What lies beyond the last dot of DATA without an answer is Lost."""

    def __init__(self, mailer: Mailer, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._mailer, self._seconds = mailer, seconds
        self._believed: tuple[float, ssl.SSLContext] | None = None

    async def send(self, message: Message, address: str) -> Outcome:
        """See `Messenger.send`. Reasons are of this module: none is what a server wrote."""
        try:
            mail = self._mail(message, address)
        except ValueError:
            return Refused("address_unusable")
        crossing = _Crossing()
        try:
            async with asyncio.timeout(self._mailer.deadline_seconds):
                return await asyncio.to_thread(self._sent, mail, address, crossing)
        except TimeoutError:
            # The thread goes on; where it has not begun to send the message it never will.
            return NotSent("mail_slow") if crossing.first("deadline") else Lost()

    def _mail(self, message: Message, address: str) -> EmailMessage:
        """The mail. Raises ValueError for what would break out of a header."""
        mailer = self._mailer
        mail = EmailMessage(policy=SMTP if address.isascii() else SMTPUTF8)
        mail["From"], mail["To"], mail["Reply-To"] = mailer.sender, address, mailer.answers_to
        mail["Subject"] = message.subject
        mail["Message-ID"] = f"<{message.id}@{mailer.answers_to.rpartition('@')[2]}>"
        # RFC 3834: no machine answers it. RFC 2369: how to get no more.
        mail["Auto-Submitted"] = "auto-generated"
        stop = f"mailto:{mailer.answers_to}?subject=STOP%20{message.code}"
        mail["List-Unsubscribe"] = f"<{stop}>"
        mail.set_content(message.text, cte="quoted-printable")
        return mail

    def _sent(self, mail: EmailMessage, address: str, crossing: _Crossing) -> Outcome:
        try:
            connection = self._connected()
        except smtplib.SMTPAuthenticationError:
            return NotSent("mail_login")
        except smtplib.SMTPNotSupportedError:
            return NotSent("mail_without_tls")
        except ssl.SSLError:
            return NotSent("mail_certificate")
        except (OSError, smtplib.SMTPException):
            return NotSent("mail_away")
        try:
            return self._handed_over(connection, mail, address, crossing)
        finally:
            connection.close()

    def _connected(self) -> smtplib.SMTP:
        mailer = self._mailer
        connection: smtplib.SMTP
        if mailer.tls == "tls":
            connection = smtplib.SMTP_SSL(
                mailer.host, mailer.port, timeout=mailer.seconds, context=self._certificates()
            )
        else:
            connection = smtplib.SMTP(mailer.host, mailer.port, timeout=mailer.seconds)
        try:
            connection.ehlo_or_helo_if_needed()
            if mailer.tls == "starttls":
                # Raises where the server offers none, or answers it with a refusal.
                connection.starttls(context=self._certificates())
                connection.ehlo()
            if mailer.user is not None:
                connection.login(mailer.user, mailer.password or "")
        except BaseException:
            connection.close()
            raise
        return connection

    def _certificates(self) -> ssl.SSLContext:
        # Threads that come at the same time may each read them; any of theirs will do.
        now = self._seconds()
        if self._believed is None or now - self._believed[0] >= CERTIFICATES_SECONDS:
            context = ssl.create_default_context()
            if self._mailer.ca is not None:
                context.load_verify_locations(self._mailer.ca)
            self._believed = (now, context)
        return self._believed[1]

    def _handed_over(
        self, connection: smtplib.SMTP, mail: EmailMessage, address: str, crossing: _Crossing
    ) -> Outcome:
        wide = not address.isascii()
        if wide and not connection.has_extn("smtputf8"):
            return Refused("address_unusable")
        options = ("SMTPUTF8", "BODY=8BITMIME") if wide else ()
        try:
            code, _ = connection.mail(self._mailer.sender, options)
            if code == 250:
                code, _ = connection.rcpt(address)
        except (OSError, smtplib.SMTPException):
            return NotSent("mail_away")
        if code not in (250, 251):
            return Refused("mail_refused") if code in _PERMANENT else NotSent("mail_later")
        if not crossing.first("message"):
            return NotSent("mail_slow")
        try:
            code, _ = connection.data(mail.as_bytes())
        except smtplib.SMTPDataError as error:
            # DATA itself was refused: nothing of the message has gone.
            code = error.smtp_code
        except (OSError, smtplib.SMTPException):
            return Lost()
        with suppress(OSError):
            connection.putcmd("quit")  # and nobody waits for the answer
        if code == 250:
            return Taken()
        return Refused("mail_refused") if code in _PERMANENT else NotSent("mail_later")
