"""The key reference in `docs/declaration.md`, made from the schema and from what is shipped.

The page's own words stay; what stands between the two marks is replaced.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.code_host import BranchPolicy, CodeHostPolicy
from shopkart_pipeline.domain.log_source import LokiSource
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.spec.compile_gates import compile_gates
from shopkart_pipeline.spec.compile_stages import compile_stages
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.declaration import ServiceSpec
from shopkart_pipeline.spec.schema import Schema, to_json_schema
from shopkart_pipeline.spec.scope import Scope
from shopkart_pipeline.spec.shipped import SHIPPED_FILE, Layer, merge, section, shipped
from shopkart_pipeline.spec.words import rule_in_words, seconds_in_words

REFERENCE_FILE = Path(__file__).resolve().parents[2] / "docs" / "declaration.md"
_BEGIN, _END = "<!-- generated: begin -->", "<!-- generated: end -->"

_STAGE, _GATE = "services.NAME.stages.STAGE", "services.NAME.gates.STAGE.GATE"
_DEPLOYMENT = "services.NAME.environments.ENVIRONMENT"
_OWN_DEFAULTS: dict[str, Any] = {
    "AnalysisSpec": Analysis(),
    "CodeHostSpec": CodeHostPolicy(),
    "BranchProtectionSpec": BranchPolicy(),
    "TelemetrySpec": PrometheusSource(""),
    "LokiSpec": LokiSource(""),
}
"""Sections whose defaults are not shipped as a declaration, but are those of the domain."""
_SECTIONS: tuple[tuple[str, str, tuple[str, ...] | None], ...] = (
    ("DeclarationSpec", "Top level", None),
    ("ServiceSpec", "`services.NAME` and `defaults`", None),
    ("SourceSpec", "`services.NAME.source`", ("defaults", "source")),
    ("WorkloadSpec", "`services.NAME.workload`", ("defaults", "workload")),
    ("HealthSpec", "`services.NAME.workload.health`", ("defaults", "workload", "health")),
    ("ResourcesSpec", "`services.NAME.workload.resources`", ("defaults", "workload", "resources")),
    ("SecretSpec", "`services.NAME.workload.secrets.VARIABLE`", None),
    ("ExternalSecretSpec", "`services.NAME.workload.secrets.VARIABLE.external`", None),
    ("MigrationsSpec", "`services.NAME.workload.migrations`", None),
    ("StagesSpec", "`services.NAME.stages`", None),
    ("ToolStage", f"`{_STAGE}`: stages that the pipeline carries out itself", None),
    ("ReviewStage", f"`{_STAGE}`: `code_review`", None),
    ("AttestationStage", f"`{_STAGE}`: `attestations`, `staging_attestations`", None),
    ("MigrationStage", f"`{_STAGE}`: migrations", None),
    ("ScanStage", f"`{_STAGE}`: `lint`, `quality` and scans", None),
    ("SuiteStage", f"`{_STAGE}`: tests", None),
    ("CompatibilityStage", f"`{_STAGE}`: `compatibility`", None),
    ("LoadTestStage", f"`{_STAGE}`: `load_test`", None),
    ("LoadRequestSpec", "`services.NAME.stages.load_test.requests[]`", None),
    ("LoadObjectivesSpec", "`services.NAME.stages.load_test.objectives`", None),
    ("OwnStage", f"`{_STAGE}`: a stage of one's own", None),
    ("GateSpec", f"`{_GATE}`", None),
    ("ExemptionSpec", f"`{_GATE}.unless`", None),
    ("DeploymentSpec", f"`{_DEPLOYMENT}`", ()),
    ("AutoscaleSpec", f"`{_DEPLOYMENT}.autoscale`", None),
    ("RouteSpec", f"`{_DEPLOYMENT}.route`", None),
    ("CanaryStep", f"`{_DEPLOYMENT}.canary[]`", None),
    ("FreezeSpec", f"`{_DEPLOYMENT}.freeze[]`", None),
    ("ScaleAheadSpec", f"`{_DEPLOYMENT}.scale_ahead[]`", None),
    ("AnalysisSpec", f"`{_DEPLOYMENT}.analysis`", None),
    ("EventSpec", f"`{_DEPLOYMENT}.analysis.events.EVENT`", None),
    ("LatencySpec", f"`{_DEPLOYMENT}.analysis.latency`", None),
    ("TrafficSpec", f"`{_DEPLOYMENT}.analysis.traffic`", None),
    ("HarmBudgetSpec", f"`{_DEPLOYMENT}.analysis.harm_budget`", None),
    ("ObjectivesSpec", f"`{_DEPLOYMENT}.objectives`", None),
    ("ErrorObjective", f"`{_DEPLOYMENT}.objectives.error_ratio`", ("objectives", "error_ratio")),
    ("LatencyObjective", f"`{_DEPLOYMENT}.objectives.latency_p95_seconds`", None),
    ("ApprovalsSpec", f"`{_DEPLOYMENT}.approvals`", ("approvals",)),
    ("EnvironmentSpec", "`environments.NAME`", None),
    ("TelemetrySpec", "`environments.NAME.telemetry`", None),
    ("HealthWatchSpec", "`environments.NAME.health`", None),
    ("LokiSpec", "`environments.NAME.telemetry.loki`", None),
    ("RegistrySpec", "`registry`", ("registry",)),
    ("EvidenceSpec", "`evidence`", None),
    ("CodeHostSpec", "`github`", None),
    ("CommandsSpec", "`github.commands`", None),
    ("BranchProtectionSpec", "`github.branch_protection`", None),
    ("NotificationsSpec", "`notifications`", None),
    ("ChannelSpec", "`notifications.channels.NAME`", None),
    ("TrustSpec", "`trust`", ("trust",)),
    ("RecoverySpec", "`recovery`", None),
    ("BackupStoreSpec", "`recovery.store`", ("recovery", "store")),
    ("BackupRetentionSpec", "`recovery.retention`", ("recovery", "retention")),
    ("BackedUpSpec", "`recovery.databases.NAME`", None),
    ("SchedulesSpec", "`schedules`", ("schedules",)),
    ("RetentionSpec", "`retention`", ("retention",)),
    ("IncidentsSpec", "`incidents`", None),
    ("ConcurrencySpec", "`concurrency`", ("concurrency",)),
    ("RunPodsSpec", "`run_pods`", None),
    ("RunPodSpec", "`run_pods.KIND`", None),
    ("StepsSpec", "`run_pods.steps`", None),
    ("StagePodSpec", "`stages.NAME.pod`", None),
    ("AlertingSpec", "`alerting`", ("alerting",)),
)
"""Definition in the schema, heading, and where its defaults are: in what is shipped, or for what concerns deployments
in what is shipped for each environment."""


def with_reference(page: str) -> str:
    """The page with a current reference between its marks."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{reference()}\n{_END}{after}"


def reference() -> str:
    """Every stage, gate and key, as Markdown."""
    schema = to_json_schema()
    definitions: dict[str, Schema] = {**schema["$defs"], "DeclarationSpec": schema}
    parts = ["## Shipped stages and gates", "", *_stages()]
    parts += ["## Every key", ""]
    for name, heading, place in _SECTIONS:
        parts += [f"### {heading}", "", str(definitions[name].get("description", "")), ""]
        parts += _keys(name, definitions[name], place)
    return "\n".join(parts)


def _stages() -> Iterator[str]:
    with_tests: Layer = {"stages": {"compatibility": {"command": ["tests"]}}}
    spec = ServiceSpec.model_validate(merge(section(shipped(), "defaults"), with_tests))
    scope = Scope("example", Faults(SHIPPED_FILE.name), spec)
    gates, _ = compile_gates(scope, ())
    yield from _header("stage", "phase", "waits for", "at most", "gates")
    for stage in compile_stages(scope)[0]:
        rules = [f"`{gate.name}`: {rule_in_words(gate.rule)}" for gate in gates if gate.stage == stage.name]
        needs = ", ".join(f"`{need}`" for need in stage.needs)
        yield _row(f"`{stage.name}`", stage.phase, needs, seconds_in_words(stage.timeout_seconds), "<br>".join(rules))
    yield ""


def _keys(name: str, definition: Schema, place: tuple[str, ...] | None) -> Iterator[str]:
    yield from _header("key", "value", "default", "meaning")
    for key, schema in definition["properties"].items():
        yield _row(f"`{key}`", _kind(schema), _default(name, key, place), schema.get("description", ""))
    if name == "StagesSpec":
        yield _row("any other name", "keys, see below", "", "A stage of one's own.")
    yield ""


def _header(*titles: str) -> list[str]:
    return [_row(*titles), _row(*("---" for _ in titles))]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _default(name: str, key: str, place: tuple[str, ...] | None) -> str:
    if name in _OWN_DEFAULTS:
        value = asdict(_OWN_DEFAULTS[name]).get(key)
        return "" if value in (None, (), {}) else _shown([value])
    if place is None:
        return ""
    if name not in ("DeploymentSpec", "ErrorObjective", "ApprovalsSpec"):
        return _shown([section(shipped(), *place).get(key)])
    of_phases = section(shipped(), "defaults", "environments")
    return "; ".join(
        f"{shown} ({phase})"
        for phase in of_phases
        if (shown := _shown([section(shipped(), "defaults", "environments", phase, *place).get(key)]))
    )


def _shown(values: Iterable[Any]) -> str:
    """Values as YAML in code, short; nothing for what is not there or has keys of its own."""
    return ", ".join(_yaml(value) for value in values if value is not None and not isinstance(value, dict))


def _yaml(value: Any) -> str:
    plain = value if isinstance(value, str) else json.dumps(value).replace('"', "")
    return f"`{plain}`"


def _kind(schema: Schema) -> str:
    """What may stand there, in words."""
    if "$comment" in schema:
        return schema["$comment"]
    if "anyOf" in schema:
        return _kind(next(choice for choice in schema["anyOf"] if choice.get("type") != "null"))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"] if choice is not None)
    if "patternErrorMessage" in schema:
        return schema["patternErrorMessage"].removeprefix("Write ").rstrip(".")
    match next(iter(schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type", "object")])):
        case "array":
            return "a list: " + _kind(schema["items"])
        case "integer":
            return "a whole number" + _range(schema)
        case "number":
            return "a number" + _range(schema)
        case "boolean":
            return "`true` or `false`"
        case "string":
            return "text"
        case _:
            return "keys" if "$ref" in schema or "patternProperties" not in schema else "names with values"


def _range(schema: Schema) -> str:
    bounds = [
        f" {word} {schema[key]:,.10g}"
        for key, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    return "".join(bounds)
