"""Channels: which keys go with which kind, where secrets are, and that whoever is named is a channel.

A secret is named by the variable or the file that holds it, or by its name in AWS Secrets Manager. Variables begin with
`SHOPKART_NOTIFY_`, and names there have `shopkart/notify` in them, so that a declaration can't send a password of
something else to a server of its own.
"""

from collections.abc import Sequence
from pathlib import Path

from shopkart_pipeline.domain.notification import Channel, ChannelKind, NotificationPolicy, SecretReference
from shopkart_pipeline.spec.faults import Faults, KeyPath, nearest
from shopkart_pipeline.spec.models.notifications import ChannelSpec, NotificationsSpec
from shopkart_pipeline.spec.placeholders import fill, unknown_placeholder

_KEYS = {
    ChannelKind.SLACK: ("secret",),
    ChannelKind.SMTP: ("server", "security", "sender", "to", "user", "secret"),
    ChannelKind.GITHUB_ISSUE: ("repository", "labels"),
}
_NEEDED = {
    ChannelKind.SLACK: {"secret": "say where the webhook's address is, such as env:SHOPKART_NOTIFY_ONCALL"},
    ChannelKind.SMTP: {
        "server": "say where mail is handed in, such as smtp.shopkart.example:587",
        "sender": "say who the mail is from, such as pipeline@shopkart.example",
        "to": "say who gets it, such as [oncall@shopkart.example]",
    },
    ChannelKind.GITHUB_ISSUE: {"repository": "say where issues are made, such as shopkart/storefront"},
}
_PORTS = {"starttls": "587", "tls": "465", "none": "25"}
_LAST_PORT = 65535
_LOOPBACK = ("localhost", "127.0.0.1")


def compile_notifications(spec: NotificationsSpec, home: Path, with_github: bool, faults: Faults) -> NotificationPolicy:
    """The declared channels; their faults go to `faults`.

    Args:
        spec: the section.
        home: the pipeline's home, which `{home}` stands for.
        with_github: whether GitHub is declared.
        faults: gets every fault.
    """
    where = ("notifications", "channels")
    if not spec.channels:
        faults.add_missing(where, "name a channel, or take `notifications` away")
    channels = {name: _channel(name, each, home, faults) for name, each in spec.channels.items()}
    for name, channel in channels.items():
        if channel.kind is ChannelKind.GITHUB_ISSUE and not with_github:
            faults.add_meaning((*where, name, "kind"), "issues need GitHub; declare `github` and give its credentials")
    for key in ("first", "escalate_to"):
        _check_named(("notifications", key), getattr(spec, key) or (), channels, faults)
    if spec.escalate_after is not None and not spec.escalate_to:
        faults.add_missing(("notifications", "escalate_to"), "say which channels are told after `escalate_after`")
    return NotificationPolicy(
        channels=channels,
        first=tuple(dict.fromkeys(spec.first or channels)),
        escalate_after_seconds=spec.escalate_after or NotificationPolicy.escalate_after_seconds,
        escalate_to=tuple(spec.escalate_to or ()),
    )


def _channel(name: str, spec: ChannelSpec, home: Path, faults: Faults) -> Channel:
    where: KeyPath = ("notifications", "channels", name)
    if faults.covers((*where, "kind")):
        return Channel(name, ChannelKind.SLACK)
    kind = ChannelKind(spec.kind)
    for key in sorted(spec.model_fields_set - {"kind", *_KEYS[kind]}):
        if getattr(spec, key) is not None:
            faults.add_meaning((*where, key), f"a channel of kind {kind} has no such key")
    for key, message in _NEEDED[kind].items():
        if not getattr(spec, key):
            faults.add_missing((*where, key), message)
    options = _mail_options(where, spec, faults) if kind is ChannelKind.SMTP else {}
    if kind is ChannelKind.GITHUB_ISSUE:
        options = {"repository": spec.repository or ""}
    recipients = spec.to if kind is ChannelKind.SMTP else spec.labels
    return Channel(name, kind, _secret(where, spec.secret, home, faults), options, tuple(recipients or ()))


def _mail_options(where: KeyPath, spec: ChannelSpec, faults: Faults) -> dict[str, str]:
    security = spec.security or "starttls"
    host, _, port = (spec.server or "").partition(":")
    if security == "none" and host and host not in _LOOPBACK:
        faults.add_meaning((*where, "security"), "without encryption mail goes to this machine alone (127.0.0.1)")
    if port and not 0 < int(port) <= _LAST_PORT:
        faults.add_meaning((*where, "server"), f"{port} is no port: they go from 1 to {_LAST_PORT}")
    if bool(spec.user) != bool(spec.secret):
        missing = "secret" if spec.user else "user"
        faults.add_missing((*where, missing), "a user needs a password, by `secret`, and the other way round")
    given = {"server": host, "port": port or _PORTS[security], "security": security, "sender": spec.sender or ""}
    return given | ({"user": spec.user} if spec.user else {})


def _secret(where: KeyPath, written: str | None, home: Path, faults: Faults) -> SecretReference | None:
    if written is None:
        return None
    kind, _, place = written.partition(":")
    if kind == "env":
        return SecretReference(variable=place)
    if kind == "aws":
        return SecretReference(stored=place)
    values = {"home": str(home.absolute())}
    problem = unknown_placeholder(place, values)
    if problem:
        faults.add_meaning((*where, "secret"), problem)
    return SecretReference(file=Path(fill(place, values)))


def _check_named(where: KeyPath, names: Sequence[str], channels: dict[str, Channel], faults: Faults) -> None:
    for index, name in enumerate(names):
        if name not in channels:
            faults.add_meaning((*where, index), f"{name} is no channel; {nearest(name, list(channels))}")
