"""The gate on manifests: those that a team brings, or those that the declaration makes, by the same rules.

A service's own manifests are read as they lie in its repository, for every environment on Kubernetes (for all, where
none is): what can't be read or is only half understood is no evidence. Rendered ones are made with a digest that stands
for any; a finding in them names the environment, and what to change is in the declaration. Two environments that read
the same files say the same once.

Measures: `violations`, `new_violations`, `workloads`, `manifests`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shopkart_pipeline.adapters._findings import Located, findings_of, fingerprints
from shopkart_pipeline.adapters.kubernetes.kustomization import read_manifests
from shopkart_pipeline.adapters.kubernetes.located import Node, located
from shopkart_pipeline.adapters.kubernetes.manifests import render, to_yaml
from shopkart_pipeline.adapters.kubernetes.names import ANY_DIGEST, place_of_any
from shopkart_pipeline.adapters.kubernetes.rules import RULES_VERSION, Checked, named
from shopkart_pipeline.adapters.kubernetes.rules_around import around_rules
from shopkart_pipeline.adapters.kubernetes.rules_pod import pod_rules, serving_rules
from shopkart_pipeline.adapters.kubernetes.rules_rollout import rollout_rules
from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.declaration import Deployment, Environment, Phase, Service
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, RawReport, Severity, Tool, ToolRun
from shopkart_pipeline.domain.wanted_workload import wanted_workload
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

_TOOL = Tool("kubernetes-manifests", RULES_VERSION, "Kubernetes 1.32 to 1.36")
_RULES = (pod_rules, serving_rules, rollout_rules, around_rules)


def check(checked: Checked) -> tuple[Located, ...]:
    """Everything that is wrong with a set of manifests, in the order of their places."""
    found = {each for rules in _RULES for each in rules(checked)}
    return tuple(sorted(found, key=lambda each: (each.path, each.line or 0, each.rule, each.message)))


@dataclass(frozen=True)
class _Looked:
    """What was found in one tree."""

    said: tuple[Located, ...]
    manifests: tuple[Node, ...]
    workloads: int


class ManifestCheck(Scanner):
    """Checks a service's manifests for every environment that is on Kubernetes.

    Args:
        environments: by name, as declared.
    """

    name = "kubernetes-manifests"

    def __init__(self, environments: Mapping[str, Environment]) -> None:
        self._environments = environments

    def unavailable(self) -> str | None:
        return None

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        service = request.service
        declared = digest_of([service.workload, self._deployments(service)])
        looked = self._look(service, request.tree)  # A kustomization may reach beyond the service's own files.
        read = json.dumps([(manifest.file, manifest.line, manifest.plain()) for manifest in looked.manifests])
        return {"rules": RULES_VERSION, "workload": declared, "manifests": digest_of(read)}

    def scan(self, request: ScanRequest) -> ToolRun:
        try:
            looked = self._look(request.service, request.tree)
        except PipelineError as error:
            return ToolRun(EvidenceMissing(f"the manifests can't be checked: {error.what} {error.fix}", _TOOL))
        known, notes = self._known(request)
        findings = findings_of(looked.said, request.tree, known)
        if request.service.workload.manifests is None:
            findings = tuple(_of_declaration(finding) for finding in findings)
        counted = [finding for finding in findings if finding.severity >= Severity.MEDIUM]
        new = sum(finding.is_new for finding in counted)
        measures = {
            "violations": len(counted),
            "new_violations": new,
            "workloads": looked.workloads,
            "manifests": len(looked.manifests),
        }
        origin = request.service.workload.manifests
        whose = f"from {origin}" if origin else "rendered from the declaration"
        summary = f"{len(counted)} violations ({new} new) in {len(looked.manifests)} manifests {whose}"
        evidence = Evidence(_TOOL, summary, {key: float(n) for key, n in measures.items()}, findings, notes=notes)
        return ToolRun(evidence, (RawReport("manifests.json", "application/json", _report(looked)),))

    def _known(self, request: ScanRequest) -> tuple[frozenset[str], tuple[str, ...]]:
        if request.base_tree is None or request.service.workload.manifests is None:
            return frozenset(), ()
        try:
            looked = self._look(request.service, request.base_tree)
        except NotFound:
            return frozenset(), ()
        except PipelineError as error:
            return frozenset(), (f"Everything counts as new: the base can't be checked ({error.what}).",)
        return fingerprints(findings_of(looked.said, request.base_tree)), ()

    def _look(self, service: Service, tree: Path) -> _Looked:
        said: set[Located] = set()
        sets: dict[str, tuple[Node, ...]] = {}
        workloads = 0
        for environment, deployment in self._deployments(service):
            manifests = tuple(_manifests(service, environment, deployment, tree))
            checked = Checked(
                manifests, service.name, service.workload.drain_seconds, environment.phase is Phase.PRODUCTION
            )
            said.update(check(checked))
            text = to_yaml(manifest.plain() for manifest in manifests)
            if text not in sets:
                sets[text] = manifests
                workloads += len(checked.of_kind("Deployment"))
        every = tuple(manifest for manifests in sets.values() for manifest in manifests)
        return _Looked(tuple(said), every, workloads)

    def _deployments(self, service: Service) -> list[tuple[Environment, Deployment]]:
        every = [
            (environment, service.deployments[name])
            for name, environment in self._environments.items()
            if name in service.deployments
        ]
        return [each for each in every if each[0].platform == "kubernetes"] or every


def _manifests(service: Service, environment: Environment, deployment: Deployment, tree: Path) -> Iterator[Node]:
    own = service.workload.manifests_in(environment.name)
    if own is not None:
        yield from read_manifests(tree / service.source.path / own, tree)
        return
    place = place_of_any(environment, service.name)
    wanted = wanted_workload(service, deployment, release_key="any", commit="any", digest=ANY_DIGEST)
    for manifest in render(place, wanted):
        yield located(manifest, f"{environment.name}: {manifest['kind']} {manifest['metadata']['name']}")


def _report(looked: _Looked) -> bytes:
    """Which objects were looked at, by name and place: their values may hold what nobody should read again."""
    checked = [
        {"object": named(manifest), "file": manifest.file, "line": manifest.line} for manifest in looked.manifests
    ]
    return json.dumps(checked, indent=1).encode()


def _of_declaration(finding: Finding) -> Finding:
    """A finding in something that is in no file."""
    return replace(finding, path=None, line=None, message=f"{finding.path}: {finding.message}")
