"""How people are told."""

from typing import Literal

from pydantic import Field

from shopkart_pipeline.spec.durations import PositiveDuration
from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.text_types import ChannelName, Email, MailServerName, Repository, SecretPlace, Words


class ChannelSpec(Section):
    """One channel. Which keys go with which kind, and what the secrets are, is in `docs/notifications.md`."""

    kind: Literal["slack", "smtp", "github_issue"] = Field(
        description="Slack, or what takes the same webhooks; e-mail; or an issue at GitHub for each incident."
    )
    secret: SecretPlace | None = Field(
        default=None,
        description="Where the secret is, never the secret: the webhook's address for `slack`, the user's password for "
        "`smtp`. Files may be below `{home}`.",
    )
    server: MailServerName | None = Field(default=None, description="`smtp`: where mail is handed in.")
    security: Literal["starttls", "tls", "none"] | None = Field(
        default=None, description="`smtp`: how it is encrypted; `none` on this machine alone. Default: `starttls`."
    )
    sender: Email | None = Field(default=None, description="`smtp`: who the mail is from.")
    to: list[Email] | None = Field(default=None, description="`smtp`: who gets it.")
    user: Words | None = Field(default=None, description="`smtp`: who hands it in; `secret` has the password.")
    repository: Repository | None = Field(default=None, description="`github_issue`: where issues are made.")
    labels: list[Words] | None = Field(default=None, description="`github_issue`: labels of new issues.")


class NotificationsSpec(Section):
    """Who is told of incidents and of work, and who when nobody answers."""

    channels: dict[ChannelName, ChannelSpec] = Field(description="The channels by name. Has to hold one at least.")
    first: list[ChannelName] | None = Field(
        default=None, description="Channels that are told at once. Default: all of them."
    )
    escalate_after: PositiveDuration | None = Field(
        default=None,
        description="How long an incident may be unacknowledged, and then each further channel. Default: `10m`.",
    )
    escalate_to: list[ChannelName] | None = Field(
        default=None, description="Channels that are told then, one after the other."
    )
