"""GitHub: who is who there, who may command what, how branches are protected."""

from typing import Annotated

from pydantic import Field

from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.text_types import ApiAddress, Email, Login, Owner, Words

_People = list[Owner] | None


class CommandsSpec(Section):
    """Who may use a command in a comment at a pull request: e-mail addresses out of `people`, or `team:NAME`. A
    command that is not named is nobody's."""

    approve: _People = Field(
        default=None,
        description="`/approve [SERVICE]`: approve the merge for production. Only approvers of an environment.",
    )
    rollback: _People = Field(
        default=None, description="`/rollback [SERVICE]`: bring production back to the release before this merge."
    )
    rerun: _People = Field(
        default=None, description="`/rerun STAGE [SERVICE]`: run a stage again, and all that is downstream of it."
    )


class BranchProtectionSpec(Section):
    """How branches that services are released from have to be protected at GitHub. Pull requests are always required;
    force pushes and deletion are never allowed."""

    reviews: Annotated[int, Field(ge=0, le=6)] | None = Field(
        default=None, description="Approving reviews that a merge needs."
    )
    code_owners: bool | None = Field(
        default=None, description="Whether the code owners' review is needed, which takes a valid CODEOWNERS file."
    )
    dismiss_stale_reviews: bool | None = Field(default=None, description="Whether a push takes earlier approvals away.")
    up_to_date: bool | None = Field(
        default=None, description="Whether checks count only for what is up to date with the branch."
    )
    required_checks: list[Words] | None = Field(
        default=None, description="Checks that have to pass, beside the pipeline's own `shopkart`."
    )
    signed_commits: bool | None = Field(default=None, description="Whether every commit has to be signed.")
    include_admins: bool | None = Field(default=None, description="Whether the rules hold for administrators, too.")


class CodeHostSpec(Section):
    """GitHub, as far as it is more than webhooks and git. Its credentials are settings, not part of the declaration;
    `docs/github.md` tells how to set it up."""

    api: ApiAddress | None = Field(
        default=None, description="Base address of the REST API; `http://` on this machine alone."
    )
    people: dict[Login, Email] | None = Field(
        default=None, description="E-mail addresses by login. Whoever is not named here can only look."
    )
    commands: CommandsSpec | None = Field(default=None, description="Who may use a command in a comment.")
    branch_protection: BranchProtectionSpec | None = Field(
        default=None, description="How branches that services are released from have to be protected."
    )
