"""The lock that `./shopkart` installs from, as both installers need it."""

import re
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"
PIN = re.compile(r"^([\w.-]+)(?:\[([\w, -]+)\])?==", re.MULTILINE)


def test_it_names_the_extras_that_packages_demand_of_one_another() -> None:
    """uv does without; pip with `--require-hashes` takes a demanded extra for a package that has no pin."""
    extras_by_name = {
        canonicalize_name(name): set(re.split(r",\s*", extras or "")) for name, extras in PIN.findall(LOCK.read_text())
    }
    demands = [
        Requirement(line)
        for distribution in distributions()
        if canonicalize_name(distribution.name) in {*extras_by_name, "shopkart-pipeline"}
        for line in distribution.requires or []
    ]
    demanded = [each for each in demands if each.extras and _applies(each)]
    assert {"gql", "uvicorn"} <= {each.name for each in demanded}
    assert [str(each) for each in demanded if not each.extras <= extras_by_name[canonicalize_name(each.name)]] == []


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})
