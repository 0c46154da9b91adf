"""The section `roles`: teams become people, and whoever approves somewhere is an approver."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import partial

from shopkart_pipeline.domain.code_host import Command
from shopkart_pipeline.domain.roles import ALLOWED, BUTTONS, Machine, Role, Roles, Verb
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.roles import MachineSpec, RolesSpec, is_day
from shopkart_pipeline.spec.teams import people_behind

_VERBS = {Command.ROLLBACK: Verb.ROLL_BACK, Command.RERUN: Verb.RERUN}
_PEOPLE = (Role.AUTHOR, Role.APPROVER, Role.OPERATOR, Role.AUDITOR)


def compile_roles(
    spec: RolesSpec | None, teams: Mapping[str, tuple[str, ...]], approvers: Collection[str] | None, faults: Faults
) -> Roles:
    """Who has which role; faults go to `faults`.

    Args:
        spec: the section; None: the approvers are operators too.
        teams: members by name of the team.
        approvers: approvers of any environment; None where that is not known, because something else is at fault.
        faults: gets every fault.
    """
    approving = tuple(sorted(approvers or ()))
    if spec is None:
        return Roles({Role.APPROVER: approving, Role.OPERATOR: approving})
    members = {role: _members(role, getattr(spec, role.value) or [], teams, faults) for role in _PEOPLE}
    named = {name.casefold() for name in members[Role.APPROVER]}
    for person in approving:
        if person.casefold() not in named:
            message = (
                f"{person} approves for an environment and is no approver here; name them, or take them away there"
            )
            faults.add_meaning(("roles",), message)
    machines = [_machine(name, each, faults) for name, each in (spec.machines or {}).items()]
    return Roles(
        members=members,
        machines=tuple(each for each in machines if each is not None),
        buttons=BUTTONS if spec.web_interface is None else tuple(Verb(each) for each in spec.web_interface),
        is_declared=True,
    )


def check_commands(roles: Roles, commands: Mapping[Command, Collection[str]], faults: Faults) -> None:
    """Whoever may use a command in comments needs a role that suffices, or it would be refused each time."""
    if not roles.is_declared:
        return
    for command, verb in _VERBS.items():
        for person in commands.get(command, ()):
            if not roles.may(person, verb):
                needed = " or ".join(sorted(ALLOWED[verb] - {Role.PIPELINE}))
                message = f"{person} would be refused: that needs the role {needed}; name them there, or take them away"
                faults.add_meaning(("github", "commands", command.value), message)


def _members(role: Role, names: list[str], teams: Mapping[str, tuple[str, ...]], faults: Faults) -> tuple[str, ...]:
    found = list[str]()
    for index, name in enumerate(names):
        found += people_behind(name, teams, partial(faults.add_meaning, ("roles", role.value, index))) or ()
    return tuple(dict.fromkeys(found))


def _machine(name: str, spec: MachineSpec, faults: Faults) -> Machine | None:
    if not is_day(spec.expires):
        faults.add_meaning(("roles", "machines", name, "expires"), f"there is no day {spec.expires}")
        return None
    expires_at = datetime.fromisoformat(spec.expires).replace(tzinfo=UTC)
    return Machine(name, Role(spec.role), spec.token.removeprefix("sha256:"), expires_at)
