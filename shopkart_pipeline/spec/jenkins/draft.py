"""The declaration that a translation puts together, in the declaration's own words.

What a Jenkinsfile can't say (who owns the service, how it starts, who approves) gets a value that is valid and
harmless, and a note: an approver at `.invalid` can sign nothing, so nothing reaches production before somebody is
named.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from shopkart_pipeline.spec.jenkins.notes import Notes
from shopkart_pipeline.spec.shipped import section, shipped

NOBODY = "fill-in@shopkart.invalid"
_NOT_OF_A_NAME = re.compile(r"[^a-z0-9]+")
_SHIPPED_STAGES = frozenset(section(shipped(), "defaults", "stages"))


class _Dumper(yaml.SafeDumper):
    """Scripts of several lines stand as they are; lists are set in, and nothing refers to anything."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(  # pyright: ignore[reportUnknownMemberType]
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Dumper.add_representer(str, _represented)


@dataclass(frozen=True)
class Asked:
    """What whoever imports says, and a Jenkinsfile doesn't."""

    service: str | None = None
    repository: str | None = None
    owner: str | None = None
    approvers: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass
class Draft:
    """What has been found so far."""

    asked: Asked
    notes: Notes = field(default_factory=Notes)
    stages: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    gates: dict[str, Any] = field(default_factory=dict[str, Any])
    registry: dict[str, str] = field(default_factory=dict[str, str])
    images: list[str] = field(default_factory=list[str])
    repository: str | None = None
    branch: str | None = None
    canary: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    namespaces: dict[str, str] = field(default_factory=dict[str, str])
    is_kubernetes: bool = False
    approvers: list[str] = field(default_factory=list[str])
    slack: bool = False
    assigned: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    """Variables with a value: line, text and name."""
    used: set[str] = field(default_factory=set[str])
    """Variables that a command which was kept needs."""

    def own_name(self, title: str) -> str:
        """A name for a stage of the team's own, from the title that it had."""
        name = _NOT_OF_A_NAME.sub("_", title.lower()).strip("_")[:40] or "stage"
        name = name if name[0].isalpha() else f"stage_{name}"
        if name in _SHIPPED_STAGES or name.startswith("jenkins_"):
            name = f"jenkins_{name}"
        number, free = 1, name
        while free in self.stages:
            number += 1
            free = f"{name}_{number}"
        return free

    def tell_variables(self) -> None:
        """A note for each variable: it went into commands, or nowhere."""
        for line, text, name in self.assigned:
            if name in self.used:
                self.notes.translated(line, text, "set in the commands that use it")
            else:
                words = "no command that was kept uses it; what the service needs when it runs is in workload.variables"
                self.notes.left(line, text, words)

    def text(self) -> str:
        """The declaration as YAML, without a heading."""
        return yaml.dump(self._document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)

    def _document(self) -> dict[str, Any]:
        name = self._service()
        service: dict[str, Any] = {
            "owners": [self.asked.owner or self._to_say("owners", f"team:{name}", "who answers for the service")],
            "source": self._source(name),
            "workload": {"command": self._command(name)},
        }
        if self.stages:
            service["stages"] = self.stages
        if self.gates:
            service["gates"] = self.gates
        production: dict[str, Any] = {"canary": self.canary} if self.canary else {}
        production["approvals"] = {"required": 1, "approvers": self._people()}
        service["environments"] = {"production": production}
        document: dict[str, Any] = {"version": 1, "services": {name: service}}
        if self.is_kubernetes:
            document["environments"] = {each: self._environment(each) for each in ("staging", "production")}
            words = "who counts requests in the cluster, which the canary is judged by: docs/kubernetes_metrics.md"
            self.notes.to_say("environments.production.telemetry", words)
        if self.registry:
            document["registry"] = self.registry
        if self.slack:
            channel = {"kind": "slack", "secret": "env:SHOPKART_NOTIFY_SLACK"}
            document["notifications"] = {"channels": {"slack": channel}}
        return document

    def _service(self) -> str:
        said = self.asked.service or (self.images[0] if self.images else None) or (self.repository or "").split("/")[-1]
        name = _NOT_OF_A_NAME.sub("-", said.lower()).strip("-")[:40].strip("-")
        name = name if name[:1].isalpha() else f"service-{name}".rstrip("-")[:40].strip("-")
        if not self.asked.service:
            self.notes.to_say(
                "services", f"the service is called `{name}` after what was found; --service says another"
            )
        return name

    def _source(self, name: str) -> dict[str, str]:
        source = {"repository": self.asked.repository or self.repository or f"shopkart/{name}"}
        if not self.asked.repository and not self.repository:
            self._to_say("source.repository", source["repository"], "the repository, OWNER/NAME (--repository)")
        if self.branch is not None:
            source["branch"] = self.branch
        return source

    def _command(self, name: str) -> list[str]:
        if self.asked.command:
            return list(self.asked.command)
        command = ["python", "-m", name.replace("-", "_")]
        self._to_say(
            "workload.command", " ".join(command), "what starts the service: the Dockerfile says it (--command)"
        )
        return command

    def _people(self) -> list[str]:
        people = [*self.asked.approvers] or self.approvers
        if not people:
            self._to_say("environments.production.approvals.approvers", NOBODY, "who may approve (--approver)")
        return people or [NOBODY]

    def _environment(self, name: str) -> dict[str, Any]:
        namespace = self.namespaces.get(name)
        options = {"options": {"namespace": namespace}} if namespace else {}
        return {"platform": "kubernetes", **options}

    def _to_say(self, key: str, value: str, words: str) -> str:
        self.notes.to_say(key, f"{words}; `{value}` stands there for now")
        return value
