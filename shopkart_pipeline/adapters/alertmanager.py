"""Alertmanager's webhooks: who may send them, and what do they say?

Payloads are version 4 of Prometheus' "Alerting configuration", `<webhook_config>`; the sender is known by a bearer
token (its `http_config.authorization`). Labels `service`, `environment` and `severity` say what an alert is about; what
a label does not say is left empty, and nothing of it is guessed. Clocks differ, so nothing began or ended after it was
told; a time of long ago (Go's zero is the year 1) says nothing. Annotations may quote a secret, which is masked.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.incident import Alert, AlertState, IncidentSeverity
from shopkart_pipeline.domain.secret_shapes import without_secrets
from shopkart_pipeline.ports.alert_reader import AlertGroup, AlertReader, ToldAlert
from shopkart_pipeline.ports.inbox import Delivery

MOST_ALERTS = 100
"""Of one group that fire; a storm tells the same many times, and nobody reads more. All that are resolved count."""
_OLDEST = timedelta(days=365)
_LONGEST, _READ = 300, 8192
_BEARER = "bearer "


def is_known(authorization: str, tokens: Sequence[str]) -> bool:
    """Whether the header holds one of the tokens; compared in constant time, all of them."""
    given = authorization[len(_BEARER) :].strip() if authorization[: len(_BEARER)].lower() == _BEARER else ""
    held = [hmac.compare_digest(_digest(given), _digest(token)) for token in tokens]
    return bool(given) and any(held)


def _digest(token: str) -> bytes:
    """Equally long for every token, so that no time tells how long one is."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


class _Alert(BaseModel):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    startsAt: AwareDatetime
    endsAt: AwareDatetime
    generatorURL: str = ""
    fingerprint: str = Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z]+$")


class _Payload(BaseModel):
    version: Literal["4"]
    groupKey: str = Field(min_length=1, max_length=4096)
    groupLabels: dict[str, str] = Field(default_factory=dict)
    truncatedAlerts: int = Field(default=0, ge=0)
    alerts: list[_Alert] = Field(min_length=1)


class AlertmanagerReader(AlertReader):
    """Reads version 4."""

    def read(self, delivery: Delivery) -> AlertGroup:
        try:
            payload = _Payload.model_validate_json(delivery.body)
        except (ValidationError, ValueError) as error:
            faults = error.errors() if isinstance(error, ValidationError) else []
            where = ".".join(str(part) for part in faults[0]["loc"]) if faults else ""
            raise UntrustedInput(
                f"The payload of Alertmanager can't be used{f' at `{where}`' if where else ''}.",
                "Version 4 of its webhook is understood.",
            ) from error
        too_many = [alert for alert in payload.alerts if alert.status == "firing"][MOST_ALERTS:]
        left_out = {id(alert) for alert in too_many}
        told = tuple(_told(alert, delivery.received_at) for alert in payload.alerts if id(alert) not in left_out)
        return AlertGroup(_group(payload), told, payload.truncatedAlerts + len(too_many))


def _group(payload: _Payload) -> str:
    """By which labels it was grouped. The group key names the route as well, and what is critical may come by another
    route than the rest of the same storm."""
    labels = ", ".join(f"{name}={value!r}" for name, value in sorted(payload.groupLabels.items()))
    return f"{{{labels}}}"[:_LONGEST] if labels else payload.groupKey


def _told(alert: _Alert, received_at: datetime) -> ToldAlert:
    labels, state = alert.labels, AlertState(alert.status)
    started_at = _moment(alert.startsAt, received_at)
    summary = alert.annotations.get("summary") or alert.annotations.get("description") or ""
    return ToldAlert(
        alert=Alert(
            fingerprint=alert.fingerprint,
            name=_line(labels.get("alertname", "")) or "an alert without a name",
            state=state,
            started_at=started_at,
            ended_at=max(_moment(alert.endsAt, received_at), started_at) if state is AlertState.RESOLVED else None,
            summary=_line(summary),
            url=_address(alert.annotations.get("dashboard") or alert.generatorURL),
        ),
        service=labels.get("service", ""),
        environment=labels.get("environment", ""),
        severity=_severity(labels.get("severity", "")),
    )


def _severity(label: str) -> IncidentSeverity:
    """What is called otherwise, or not at all, is taken for critical: nobody knows that it is less."""
    known = {severity.value: severity for severity in IncidentSeverity}
    return known.get(label.lower(), IncidentSeverity.CRITICAL)


def _moment(told: datetime, received_at: datetime) -> datetime:
    return told if received_at - _OLDEST < told < received_at else received_at


def _line(text: str) -> str:
    words = " ".join("".join(each if each.isprintable() else " " for each in text[:_READ]).split())
    return without_secrets(words)[:_LONGEST]


def _address(text: str) -> str:
    is_web = text.startswith(("https://", "http://")) and text.isascii() and text.isprintable() and " " not in text
    return without_secrets(text)[:2000] if is_web else ""
