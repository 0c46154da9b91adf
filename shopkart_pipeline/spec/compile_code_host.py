"""GitHub's section: logins become people, teams their members, and whoever may command is somebody who can.

A command comes from a login, so whoever is named for one needs a login; an approval counts only as far as an
environment's `approvers` go, so whoever may approve is one of them somewhere. Logins are lower case from here on.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from shopkart_pipeline.domain.code_host import BranchPolicy, CodeHostPolicy, Command
from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.spec.encryption import check_encrypted
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.code_host import CodeHostSpec, CommandsSpec
from shopkart_pipeline.spec.teams import people_behind

_COMMANDS = ("github", "commands")
_PEOPLE = ("github", "people")


def compile_code_host(
    spec: CodeHostSpec, teams: Mapping[str, tuple[str, ...]], approvers: Collection[str] | None, faults: Faults
) -> CodeHostPolicy:
    """The declared code host; its faults go to `faults`.

    Args:
        spec: the section.
        teams: members by name of the team.
        approvers: approvers of any environment; None where that is not known, because something else is at fault.
        faults: gets every fault.
    """
    check_encrypted(("github", "api"), spec.api, "GitHub", faults)
    people = _people(spec.people or {}, faults)
    commands = _Commands(spec.commands or CommandsSpec(), teams, faults)
    known, approving = _folded(people.values()), None if approvers is None else _folded(approvers)
    for command in Command:
        commands.check(command, known, None if command is not Command.APPROVE else approving)
    protection: dict[str, Any] = spec.branch_protection.model_dump(exclude_none=True) if spec.branch_protection else {}
    required_checks = tuple(protection.pop("required_checks", ()))
    return CodeHostPolicy(
        api=(spec.api or CodeHostPolicy.api).rstrip("/"),
        people=people,
        commands=commands.compiled,
        branch=BranchPolicy(**protection, required_checks=required_checks),
    )


def approvers_of(services: Collection[Service]) -> frozenset[str]:
    """Everybody who is an approver of any environment of any service."""
    deployments = (deployment for service in services for deployment in service.deployments.values())
    return frozenset(person for each in deployments if each.approvals for person in each.approvals.approvers)


def _people(written: Mapping[str, str], faults: Faults) -> dict[str, str]:
    people, logins = dict[str, str](), dict[str, str]()
    for login, person in written.items():
        if login.casefold() in people:
            faults.add_meaning((*_PEOPLE, login), f"{login} is here twice: GitHub does not tell letters' case apart")
        elif person.casefold() in logins:
            first = logins[person.casefold()]
            message = f"{person} is {first} already; a person has one login: take the other one away"
            faults.add_meaning((*_PEOPLE, login), message)
        people.setdefault(login.casefold(), person)
        logins.setdefault(person.casefold(), login)
    return people


class _Commands:
    """The people behind each command, in the making."""

    def __init__(self, spec: CommandsSpec, teams: Mapping[str, tuple[str, ...]], faults: Faults) -> None:
        self._spec = spec
        self._teams = teams
        self._faults = faults
        self.compiled: dict[Command, tuple[str, ...]] = {}

    def check(self, command: Command, known: Collection[str], approvers: Collection[str] | None) -> None:
        """Compile one command.

        Args:
            command: which one.
            known: people who have a login, in lower case.
            approvers: if given, people among whom everybody has to be, in lower case.
        """
        named = list[str]()
        for index, name in enumerate(getattr(self._spec, command.value) or []):
            fault = partial(self._faults.add_meaning, (*_COMMANDS, command.value, index))
            for person in people_behind(name, self._teams, fault) or ():
                named.append(person)
                self._check_person(command, index, name, person, known, approvers)
        if named:
            self.compiled[command] = tuple(dict.fromkeys(named))

    def _check_person(
        self,
        command: Command,
        index: int,
        name: str,
        person: str,
        known: Collection[str],
        approvers: Collection[str] | None,
    ) -> None:
        path, of_team = (*_COMMANDS, command.value, index), "" if person == name else f" of {name}"
        if person.casefold() not in known and not self._faults.covers(_PEOPLE):
            self._faults.add_meaning(path, f"{person}{of_team} has no login; add `LOGIN: {person}` to `github.people`")
        if approvers is not None and person.casefold() not in approvers:
            message = (
                f"{person}{of_team} is no approver of any environment, so the approval would never count; "
                "name them in `approvers`, or take them away here"
            )
            self._faults.add_meaning(path, message)


def _folded(people: Collection[str]) -> frozenset[str]:
    return frozenset(person.casefold() for person in people)
