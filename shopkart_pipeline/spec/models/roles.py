"""Who may do what."""

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.text_types import ChannelName, Matching, Owner

TokenDigest = Annotated[
    str,
    Matching(
        r"sha256:[0-9a-f]{64}",
        "the SHA-256 of a token, such as `sha256:` and what `sha256sum` says of it; never the token itself",
    ),
]
Day = Annotated[str, Matching(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "a day, such as 2027-01-31")]
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def is_day(text: str) -> bool:
    """Whether there is such a day."""
    try:
        return bool(_ISO_DAY.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


class MachineSpec(Section):
    """A machine that asks for acts with a token (`SHOPKART_TOKEN_FILE`)."""

    role: Literal["pipeline", "operator", "auditor"] = Field(
        description="What it may do. No machine approves, and none is an author."
    )
    token: TokenDigest = Field(description="SHA-256 of its token, which has 32 characters at least and is random.")
    expires: Day = Field(description="The day from which on the token counts no more (UTC).")


class RolesSpec(Section):
    """Roles. Each names e-mail addresses and `team:NAME`; a role that is not named is nobody's. Without this section
    the approvers of environments are operators too. `docs/roles.md` says what each role may do."""

    author: list[Owner] | None = Field(default=None, description="Change code; may have its checks run again.")
    approver: list[Owner] | None = Field(
        default=None, description="Agree to releases; everybody whom `approvers` of an environment names is among them."
    )
    operator: list[Owner] | None = Field(
        default=None, description="Keep production well: rollback, incidents, backups, keys."
    )
    auditor: list[Owner] | None = Field(default=None, description="Look, and sign the ledger's head.")
    machines: dict[ChannelName, MachineSpec] | None = Field(default=None, description="Machines by name.")
    web_interface: list[Literal["roll_back", "rerun", "handle_incident"]] | None = Field(
        default=None,
        description="What whoever reaches Dagster's web interface, which has no login, may do there. Default: all of "
        "it; production goes forward by signed approval alone in any case.",
    )
