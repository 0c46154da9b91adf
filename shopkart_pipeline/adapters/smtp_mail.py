"""A channel by e-mail, over SMTP with TLS from the beginning (465) or by STARTTLS (587).

What we tell comes from logs and commits: the subject is one line without control characters, so it can't become
another header. All mails of one incident are one thread. A mail that was maybe sent is sent again under the same
Message-ID, by which mailboxes know it. Nothing is sent without encryption but to this machine.

Source: RFC 5321 (4xx passes, 5xx does not), RFC 5322 (3.6.4: Message-ID, References), RFC 3834 (Auto-Submitted).
"""

import hashlib
import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.notification import Notification, Urgency
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.notifier import NotDelivered, Notifier

TIMEOUT_SECONDS = 10.0
"""For each answer of the server."""
_SUBJECT_CHARACTERS = 200
_WORDS = 200
_IMPORTANCE = {Urgency.URGENT: "high", Urgency.NORMAL: "normal", Urgency.OVER: "normal"}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    security: str
    """`starttls`, `tls`, or `none` on this machine."""
    sender: str
    user: str = ""
    """Empty: the server asks nobody who they are."""

    @classmethod
    def of(cls, options: Mapping[str, str]) -> "MailServer":
        """The one that the options of a declared channel describe."""
        port, security = int(options["port"]), options["security"]
        return cls(options["server"], port, security, options["sender"], options.get("user", ""))


class SmtpMail(Notifier):
    """Mail to some people.

    Args:
        name: of the channel, as declared.
        server: where mail is handed in.
        recipients: addresses.
        password: gives the user's; raises `PipelineError` where it can't be had. None: there is none.
        clock: for the mail's date.
        timeout_seconds: for each answer of the server.
        ca_file: certificates in PEM by which the server is known; None: those that every program trusts.
    """

    def __init__(
        self,
        name: str,
        server: MailServer,
        recipients: tuple[str, ...],
        password: Callable[[], str] | None,
        clock: Clock,
        timeout_seconds: float = TIMEOUT_SECONDS,
        ca_file: Path | None = None,
    ) -> None:
        self._name, self._server, self._recipients, self._password = name, server, recipients, password
        self._clock, self._timeout_seconds, self._ca_file = clock, timeout_seconds, ca_file

    def send(self, notification: Notification, remote_id: str | None, *, maybe_sent: bool) -> str:
        mail, refused = self._mail(notification), None
        password = self._secret()
        try:
            with self._connected() as connection:
                if self._server.user:
                    connection.login(self._server.user, password)
                refused = connection.send_message(mail, self._server.sender, list(self._recipients))
        except (smtplib.SMTPException, OSError, ValueError) as error:
            if refused is None:  # Else it was taken, and only the farewell went wrong.
                raise self._failed(error, password) from None
        if refused:  # Some got it: whoever did not is not worth telling the others twice.
            raise Refused(f"Channel {self._name} did not take {len(refused)} of the recipients.", "Check `to`.")
        return mail["Message-ID"]

    def _secret(self) -> str:
        try:
            return "" if self._password is None else self._password()
        except PipelineError as error:
            raise NotDelivered(error.what, error.fix) from None

    def _connected(self) -> smtplib.SMTP:
        server, seconds = self._server, self._timeout_seconds
        if server.security == "none":
            if server.host not in _LOOPBACK:
                raise smtplib.SMTPException("it would be sent without encryption")
            return smtplib.SMTP(server.host, server.port, timeout=seconds)
        context = ssl.create_default_context(cafile=self._ca_file)
        if server.security == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=seconds, context=context)
        connection = smtplib.SMTP(server.host, server.port, timeout=seconds)
        try:
            connection.starttls(context=context)
        except BaseException:
            connection.close()
            raise
        return connection

    def _mail(self, notification: Notification) -> EmailMessage:
        domain = self._server.sender.rpartition("@")[2]
        mail = EmailMessage(policy=SMTP)
        mail["Subject"] = _subject(notification.subject)
        mail["From"] = Address("ShopKart pipeline", addr_spec=self._server.sender)
        mail["To"] = tuple(Address(addr_spec=each) for each in self._recipients)
        mail["Date"] = self._clock.now()
        mail["Message-ID"] = f"<{_hash(notification.key)}@{domain}>"
        thread = f"<{_hash(notification.incident_id)}@{domain}>"
        mail["In-Reply-To"] = thread
        mail["References"] = thread
        mail["Auto-Submitted"] = "auto-generated"
        mail["Importance"] = _IMPORTANCE[notification.urgency]
        link = f"\n\n{notification.url}" if notification.url else ""
        body = notification.body.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
        mail.set_content(f"{body}{link}\n", cte="quoted-printable")
        return mail

    def _failed(self, error: Exception, password: str) -> PipelineError:
        words = _words(error)
        if password:
            words = words.replace(password, "[redacted]")
        what = f"Channel {self._name} could not hand its mail to {self._server.host}: {words}."
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return NotDelivered(what, "Give it a user and password that the server takes.")
        if isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500:
            return Refused(what, "Look at the server's words.")
        return NotDelivered(what, "It is tried again by itself; check the server's name and port.")


def _subject(text: str) -> str:
    line = plain(text).encode(errors="replace").decode()
    return line if len(line) <= _SUBJECT_CHARACTERS else line[: _SUBJECT_CHARACTERS - 1] + "…"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return plain(f"{error.smtp_code} {said.decode(errors='replace') if isinstance(said, bytes) else said}")[:_WORDS]
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "no recipient was taken"
    if isinstance(error, TimeoutError) or "timed out" in str(error):  # smtplib keeps the words of the error alone.
        return "it ran out of time"
    return plain(str(error) or type(error).__name__)[:_WORDS].rstrip(".")
