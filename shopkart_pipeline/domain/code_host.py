"""What is declared about the code host (GitHub): who is who, who may command what, how branches are protected.

A login is somebody's name at the code host, a person is an e-mail address; only logins that the declaration maps to a
person can do anything but look. Logins are compared without regard to case, as GitHub does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

_HIDDEN_ADDRESS = re.compile(r"(?:\d+\+)?([A-Za-z0-9_-]+)@users\.noreply\.[A-Za-z0-9.-]+")


class Command(StrEnum):
    """What people can ask for in a comment."""

    APPROVE = "approve"
    ROLLBACK = "rollback"
    RERUN = "rerun"


@dataclass(frozen=True)
class BranchPolicy:
    """How the branch that a service is released from has to be protected. Pull requests are always required; force
    pushes and deletion are never allowed."""

    reviews: int = 1
    """Approving reviews that a merge needs."""
    code_owners: bool = True
    """Whether the code owners' review is needed, which takes a valid CODEOWNERS file."""
    dismiss_stale_reviews: bool = True
    """Whether a push takes earlier approvals away."""
    up_to_date: bool = True
    """Whether checks count only for what is up to date with the branch."""
    required_checks: tuple[str, ...] = ()
    """Names of the checks that have to pass, beside the pipeline's own `shopkart`."""
    signed_commits: bool = False
    include_admins: bool = True
    """Whether the rules hold for administrators, too."""


@dataclass(frozen=True)
class CodeHostPolicy:
    """The declared code host. A declaration without one works with webhooks and git alone."""

    api: str = "https://api.github.com"
    """Base address of its REST API."""
    people: Mapping[str, str] = field(default_factory=dict[str, str])
    """E-mail addresses by login, which is in lower case here."""
    commands: Mapping[Command, tuple[str, ...]] = field(default_factory=dict[Command, tuple[str, ...]])
    """E-mail addresses of those who may use a command; a command that is not named is nobody's."""
    branch: BranchPolicy = field(default_factory=BranchPolicy)

    def person(self, login: str) -> str | None:
        """The e-mail address behind a login; None for somebody whom the declaration does not know."""
        return self.people.get(login.casefold())

    def person_of_address(self, address: str) -> str | None:
        """The person behind an address that the code host gives to those who hide theirs, such as
        `7+maya@users.noreply.github.com`; None for any other address."""
        hidden = _HIDDEN_ADDRESS.fullmatch(address)
        return self.person(hidden[1]) if hidden else None

    def may(self, login: str, command: Command) -> bool:
        """Whether the person behind a login may use a command."""
        person = self.person(login)
        return person is not None and person.casefold() in {each.casefold() for each in self.commands.get(command, ())}
