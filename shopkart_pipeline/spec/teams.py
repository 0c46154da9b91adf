"""Names of people and teams become people."""

from collections.abc import Callable, Mapping

from shopkart_pipeline.spec.faults import nearest

_TEAM = "team:"


def people_behind(
    name: str, teams: Mapping[str, tuple[str, ...]], fault: Callable[[str], None]
) -> tuple[str, ...] | None:
    """A person, or the members of a team; None for a team that is not declared, which is told to `fault`."""
    team = name.removeprefix(_TEAM)
    if team == name:
        return (name,)
    if team not in teams:
        fault(f"there is no team {team} in `teams`; {nearest(team, teams)}")
    return teams.get(team)
