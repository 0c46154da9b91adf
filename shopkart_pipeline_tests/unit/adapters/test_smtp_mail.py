"""E-mail, to a server that really speaks SMTP: encryption, headers that nobody can add to, and what follows from
answers."""

import threading
from collections.abc import Generator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.smtp_mail import MailServer, SmtpMail
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.notification import Notification, Urgency
from shopkart_pipeline.ports.notifier import NotDelivered
from shopkart_pipeline_tests.fakes.fake_clock import NOON, FakeClock
from shopkart_pipeline_tests.fakes.kubernetes_server.tls import Certificate, make_certificate
from shopkart_pipeline_tests.fakes.smtp_server import FakeMailServer, Mail, running_mail_server

PASSWORD = "correct horse"
OPENED = Notification("backend-1/opened", "backend-1", "Errors ✓", "many ✓\n.\nlast", "https://pipeline.example")
HOSTILE = Notification(
    "x/opened", "x", "Errors\r\nBcc: all@evil.example\r\n\r\nbody\0", "a\r\n.\r\nMAIL FROM:<b>\0\ud800"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def running(certificate: Certificate) -> Generator[tuple[FakeMailServer, int]]:
    server = FakeMailServer()
    with running_mail_server(server) as port:
        yield server, port


@pytest.fixture
def server(running: tuple[FakeMailServer, int], certificate: Certificate) -> FakeMailServer:
    server = running[0]
    fresh = FakeMailServer(certificate)
    server.__dict__.update(fresh.__dict__)
    return server


def _channel(running: tuple[FakeMailServer, int], security: str = "starttls", **details: object) -> SmtpMail:
    server, port = running
    where = MailServer("127.0.0.1", port, security, "pipeline@shopkart.example", "pipeline" if server.users else "")
    ca_file = server.certificate.certificate if server.certificate is not None else None
    given: dict[str, object] = {"timeout_seconds": 5.0, "ca_file": ca_file, **details}
    recipients = ("oncall@shopkart.example", "maya@shopkart.example")
    password = (lambda: PASSWORD) if server.users else None
    return SmtpMail("mail", where, recipients, password, FakeClock(), **given)  # pyright: ignore[reportArgumentType]


def _send(channel: SmtpMail, notification: Notification = OPENED) -> str:
    return channel.send(notification, None, maybe_sent=False)


def _read(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.content, policy=policy.default)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_arrives_encrypted_and_as_it_was_written(
    server: FakeMailServer, running: tuple[FakeMailServer, int], security: str
) -> None:
    server.users, server.tls_at_once = {"pipeline": PASSWORD}, security == "tls"

    name = _send(_channel(running, security))

    [mail] = server.mails
    read = _read(mail)
    assert (mail.was_encrypted, mail.user, mail.sender) == (True, "pipeline", "pipeline@shopkart.example")
    assert mail.recipients == ["oncall@shopkart.example", "maya@shopkart.example"]
    assert read["Subject"] == "Errors ✓"
    assert read.get_content().replace("\r\n", "\n") == "many ✓\n.\nlast\n\nhttps://pipeline.example\n"
    assert read["Date"].datetime == NOON
    assert (read["Message-ID"], read["Auto-Submitted"], read["Importance"]) == (name, "auto-generated", "high")


def test_nobody_can_add_a_header_or_a_command_by_what_is_told(
    server: FakeMailServer, running: tuple[FakeMailServer, int]
) -> None:
    _send(_channel(running), HOSTILE)

    [mail] = server.mails
    read = _read(mail)
    assert read["Bcc"] is None
    assert read["Subject"] == "Errors Bcc: all@evil.example body\N{REPLACEMENT CHARACTER}"
    assert "MAIL FROM:<b>" in read.get_content()
    assert mail.recipients == ["oncall@shopkart.example", "maya@shopkart.example"]


def test_mails_of_one_incident_are_one_thread_and_the_same_one_has_the_same_name(
    server: FakeMailServer, running: tuple[FakeMailServer, int]
) -> None:
    channel = _channel(running)
    over = Notification("backend-1/closed", "backend-1", "over", "", None, Urgency.OVER)

    names = [_send(channel), _send(channel), _send(channel, over)]

    read = [_read(mail) for mail in server.mails]
    assert names[0] == names[1] != names[2]
    assert len({each["References"] for each in read}) == 1
    assert read[2]["Importance"] == "normal"


def test_a_server_without_encryption_gets_nothing(server: FakeMailServer, running: tuple[FakeMailServer, int]) -> None:
    channel = _channel(running)
    server.certificate = None

    with pytest.raises(NotDelivered, match="STARTTLS"):
        _send(channel)
    assert server.mails == []


def test_a_server_whose_certificate_nobody_knows_gets_nothing(
    server: FakeMailServer, running: tuple[FakeMailServer, int]
) -> None:
    server.users = {"pipeline": PASSWORD}

    with pytest.raises(NotDelivered, match=r"(?i)certificate"):
        _send(_channel(running, ca_file=None))
    assert server.mails == []


def test_elsewhere_than_on_this_machine_nothing_is_sent_without_encryption() -> None:
    where = MailServer("mail.example", 25, "none", "pipeline@shopkart.example")

    with pytest.raises(NotDelivered, match="without encryption"):
        _send(SmtpMail("mail", where, ("a@shopkart.example",), None, FakeClock()))


def test_on_this_machine_it_may_go_without(server: FakeMailServer, running: tuple[FakeMailServer, int]) -> None:
    _send(_channel(running, "none"))

    assert [mail.was_encrypted for mail in server.mails] == [False]


def test_a_password_that_is_not_taken_is_told_and_not_shown(
    server: FakeMailServer, running: tuple[FakeMailServer, int]
) -> None:
    server.users = {"pipeline": "another"}

    with pytest.raises(NotDelivered, match=r"535 \[redacted\] is not the password") as caught:
        _send(_channel(running))
    assert PASSWORD not in str(caught.value)
    assert "user and password" in caught.value.fix


@pytest.mark.parametrize(
    ("answer", "kind"), [(b"451 Try later", NotDelivered), (b"554 Too large", Refused), (b"552 Full", Refused)]
)
def test_what_passes_is_tried_again_and_what_does_not_is_refused(
    server: FakeMailServer, running: tuple[FakeMailServer, int], answer: bytes, kind: type[Exception]
) -> None:
    server.data_answer = answer

    with pytest.raises(kind, match=answer.decode()):
        _send(_channel(running))


def test_a_recipient_that_is_not_known_is_told_and_the_others_get_it_once(
    server: FakeMailServer, running: tuple[FakeMailServer, int]
) -> None:
    server.refused_recipients = {"maya@shopkart.example"}

    with pytest.raises(Refused, match="1 of the recipients"):
        _send(_channel(running))
    assert [mail.recipients for mail in server.mails] == [["oncall@shopkart.example"]]


def test_a_mail_that_was_taken_is_not_sent_again_for_an_odd_farewell(
    server: FakeMailServer, running: tuple[FakeMailServer, int]
) -> None:
    server.farewell = b"421 Too busy to say goodbye"

    assert _send(_channel(running))
    assert len(server.mails) == 1


def test_a_server_that_says_nothing_is_left_after_the_deadline(
    server: FakeMailServer, running: tuple[FakeMailServer, int]
) -> None:
    server.silent = threading.Event()
    try:
        with pytest.raises(NotDelivered, match="ran out of time"):
            _send(_channel(running, timeout_seconds=0.1))
    finally:
        server.silent.set()


def test_a_password_that_is_not_there_is_told(tmp_path: Path) -> None:
    def missing() -> str:
        raise ToolUnavailable("SHOPKART_NOTIFY_MAIL is not set.", "Set it.")

    where = MailServer("127.0.0.1", 1, "tls", "pipeline@shopkart.example", "pipeline")
    with pytest.raises(NotDelivered, match="SHOPKART_NOTIFY_MAIL is not set"):
        _send(SmtpMail("mail", where, ("a@shopkart.example",), missing, FakeClock()))
