"""How people are told: what may be declared, and that secrets never are."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.notification import Channel, ChannelKind, NotificationPolicy, SecretReference
from shopkart_pipeline_tests.unit.spec.declarations import HOME, SMALLEST, one_fault_of, pipeline_of

_SLACK = "oncall: {kind: slack, secret: 'env:SHOPKART_NOTIFY_ONCALL'}"
_MAIL = "mail: {kind: smtp, server: smtp.example, sender: p@shop.example, to: [a@shop.example]}"


def _declared(folder: Path, notifications: str, more: str = "") -> NotificationPolicy | None:
    return pipeline_of(folder, f"{SMALLEST}{more}notifications: {{{notifications}}}\n").notifications


def test_without_channels_nobody_is_told(tmp_path: Path) -> None:
    assert pipeline_of(tmp_path, SMALLEST).notifications is None


def test_one_channel_is_enough_and_is_told_first(tmp_path: Path) -> None:
    secret = SecretReference(variable="SHOPKART_NOTIFY_ONCALL")
    assert _declared(tmp_path, f"channels: {{{_SLACK}}}") == NotificationPolicy(
        {"oncall": Channel("oncall", ChannelKind.SLACK, secret)}, ("oncall",), 600.0, ()
    )


def test_everything_can_be_said(tmp_path: Path) -> None:
    policy = _declared(
        tmp_path,
        f"channels: {{{_SLACK}, tickets: {{kind: github_issue, repository: shopkart/storefront, labels: [incident]}}, "
        "mail: {kind: smtp, server: 'smtp.example:2465', security: tls, sender: p@shop.example, "
        "to: [a@shop.example, b@shop.example], user: pipeline, secret: 'file:{home}/secrets/mail'}}, "
        "first: [oncall, tickets], escalate_after: 5m, escalate_to: [mail, oncall]",
        "github: {}\n",
    )
    assert policy is not None
    assert (policy.first, policy.escalate_after_seconds) == (("oncall", "tickets"), 300.0)
    assert policy.escalate_to == ("mail", "oncall")
    assert policy.channels["tickets"] == Channel(
        "tickets", ChannelKind.GITHUB_ISSUE, None, {"repository": "shopkart/storefront"}, ("incident",)
    )
    assert policy.channels["mail"] == Channel(
        "mail",
        ChannelKind.SMTP,
        SecretReference(file=Path(HOME).absolute() / "secrets" / "mail"),
        {
            "server": "smtp.example",
            "port": "2465",
            "security": "tls",
            "sender": "p@shop.example",
            "user": "pipeline",
        },
        ("a@shop.example", "b@shop.example"),
    )


def test_mail_is_encrypted_unless_it_stays_on_this_machine(tmp_path: Path) -> None:
    policy = _declared(tmp_path, f"channels: {{{_MAIL}}}")
    assert policy is not None
    assert policy.channels["mail"].options["security"] == "starttls"
    assert policy.channels["mail"].options["port"] == "587"


@pytest.mark.parametrize(
    ("notifications", "path", "message"),
    [
        ("channels: {}", "channels", "name a channel"),
        ("channels: {a: {kind: pager}}", "channels.a.kind", "pager"),
        ("channels: {a: {kind: slack}}", "channels.a.secret", "say where the webhook's address is"),
        (
            "channels: {a: {kind: slack, secret: 'https://hooks.slack.com/services/T/B/x'}}",
            "channels.a.secret",
            "a variable that begins with SHOPKART_NOTIFY_",
        ),
        ("channels: {a: {kind: slack, secret: 'env:GITHUB_TOKEN'}}", "channels.a.secret", "SHOPKART_NOTIFY_"),
        ("channels: {a: {kind: slack, secret: 'file:{hom}/x'}}", "channels.a.secret", "a variable"),
        (
            f"channels: {{{_SLACK[:-1]}, server: smtp.example}}}}",
            "channels.oncall.server",
            "kind slack has no such key",
        ),
        (
            "channels: {m: {kind: smtp, server: s.example, to: [a@b.example]}}",
            "channels.m.sender",
            "who the mail is from",
        ),
        (f"channels: {{{_MAIL[:-1]}, security: none}}}}", "channels.mail.security", "this machine alone"),
        (f"channels: {{{_MAIL[:-1]}, user: me}}}}", "channels.mail.secret", "a user needs a password"),
        (
            f"channels: {{{_MAIL.replace('smtp.example', 's.example:99999')}}}",
            "channels.mail.server",
            "99999 is no port",
        ),
        ("channels: {t: {kind: github_issue, repository: a/b}}", "channels.t.kind", "declare `github`"),
        (f"channels: {{{_SLACK}}}, first: [onkall]", "first[0]", "onkall is no channel"),
        (f"channels: {{{_SLACK}}}, escalate_to: [lead]", "escalate_to[0]", "lead is no channel"),
        (f"channels: {{{_SLACK}}}, escalate_after: 5m", "escalate_to", "say which channels"),
        (f"channels: {{{_SLACK}}}, escalate_after: 0m, escalate_to: [oncall]", "escalate_after", "longer than zero"),
    ],
)
def test_a_fault_is_told_at_its_place(tmp_path: Path, notifications: str, path: str, message: str) -> None:
    fault = one_fault_of(tmp_path, f"{SMALLEST}notifications: {{{notifications}}}\n")
    assert fault.path == f"notifications.{path}"
    assert message in fault.message
