"""What in the pipeline leaves evidence for an auditor, and what a declaration can lack for it."""

from collections.abc import Callable

from shopkart_pipeline.domain.code_host import Command
from shopkart_pipeline.domain.controls import Means
from shopkart_pipeline.domain.declaration import Approvals, Phase, Pipeline, Service, StageKind

_FRESH_DAYS = 30.0
_Lacks = Callable[[Pipeline, Service], str | None]


def stage(kind: StageKind, evidence: str) -> Means:
    """A stage that runs, whatever gates it has."""
    return Means(f"`{kind.value}`: {evidence}", lambda pipeline, service: _no_stage(service, kind))


def gate(kind: StageKind, name: str, evidence: str) -> Means:
    """A gate on a stage, which has to pass before production."""

    def lacks(pipeline: Pipeline, service: Service) -> str | None:
        found = service.stage_of(kind)
        if found is None:
            return _no_stage(service, kind)
        if any((each.stage, each.name) == (found.name, name) for each in service.gates):
            return None
        left = [each.reason for each in service.left_out if (each.stage, each.gate) == (found.name, name)]
        return (
            f"gate `{found.name}.{name}` is left out: {left[0]}" if left else f"there is no gate `{found.name}.{name}`"
        )

    return Means(f"`{kind.value}.{name}`: {evidence}", lacks)


def always(evidence: str) -> Means:
    """What the pipeline does whatever is declared."""
    return Means(evidence, lambda pipeline, service: None)


def _no_stage(service: Service, kind: StageKind) -> str | None:
    if service.stage_of(kind) is not None:
        return None
    left = [each.reason for each in service.left_out if each.stage == kind.value and each.gate is None]
    return f"stage `{kind.value}` is left out: {left[0]}" if left else f"there is no stage `{kind.value}`"


def _approvals(pipeline: Pipeline, service: Service) -> Approvals | None:
    for environment in pipeline.environments.values():
        if environment.phase is Phase.PRODUCTION and environment.name in service.deployments:
            return service.deployments[environment.name].approvals
    return None


def _no_approval(pipeline: Pipeline, service: Service) -> str | None:
    found = _approvals(pipeline, service)
    if found is None or found.required < 1:
        return "production asks for no approval"
    if found.allowed_signers is None:
        return "no list of allowed signers is declared, so approvals rest on the code host's word"
    host = pipeline.code_host
    if host is not None and host.commands.get(Command.APPROVE):
        return "comments may approve (`github.commands.approve`), which rest on the code host's word"
    return None


def _no_four_eyes(pipeline: Pipeline, service: Service) -> str | None:
    found = _approvals(pipeline, service)
    return (
        None if found is not None and found.required > 0 and found.four_eyes else "authors may approve their own work"
    )


def _no_review(pipeline: Pipeline, service: Service) -> str | None:
    if pipeline.code_host is None:
        return "no code host is declared (`github`), so nobody can say who reviewed a change"
    if pipeline.code_host.branch.reviews < 1:
        return "`github.branch.reviews` asks for no review"
    return gate(StageKind.CODE_REVIEW, "unreviewed", "").lacks(pipeline, service)


def _no_code_host(pipeline: Pipeline, service: Service) -> str | None:
    if pipeline.code_host is None:
        return "no code host is declared (`github`), so protection of its branches is not checked"
    return None if "branch_protection" in pipeline.schedules else "no schedule checks the protection of branches"


def _no_rescan(pipeline: Pipeline, service: Service) -> str | None:
    return None if "rescan" in pipeline.schedules else "no schedule scans what runs again"


def _no_staging(pipeline: Pipeline, service: Service) -> str | None:
    staging = any(each.phase is Phase.STAGING for each in pipeline.environments.values())
    return None if staging and service.stage_of(StageKind.STAGING) else "there is no environment before production"


def _no_separation(pipeline: Pipeline, service: Service) -> str | None:
    if _no_staging(pipeline, service) is not None:
        return _no_staging(pipeline, service)
    local = [each.name for each in pipeline.environments.values() if each.platform == "local"]
    return f"{' and '.join(local)} are on one machine (`platform: local`)" if len(local) > 1 else None


def _not_hosted(pipeline: Pipeline, service: Service) -> str | None:
    signing = service.stage_of(StageKind.ATTESTATIONS)
    if signing is None:
        return _no_stage(service, StageKind.ATTESTATIONS)
    if signing.options.get("build_level", "1") in ("2", "3"):
        return None
    return (
        'nobody declares that the machine that builds is a hosted one (`attestations: {options: {build_level: "2"}}`)'
    )


def _stale_advisories(pipeline: Pipeline, service: Service) -> str | None:
    """Data that may grow old says nothing about what was found since."""
    scans = [each for each in service.stages if each.kind in (StageKind.DEPENDENCY_SCAN, StageKind.IMAGE_SCAN)]
    told = [each.options["maximum_age_days"] for each in scans if "maximum_age_days" in each.options]
    odd = [text for text in told if not (text.isascii() and text.isdecimal())]
    if odd:
        return f"`maximum_age_days` is {odd[0][:40]!r}, no number of days, so the scans leave no evidence"
    oldest = max(map(float, told), default=0.0)
    return f"advisories may be {oldest:.0f} days old (`maximum_age_days`)" if oldest > _FRESH_DAYS else None


def _no_roles(pipeline: Pipeline, service: Service) -> str | None:
    return None if pipeline.roles.is_declared else "no `roles` are declared: whoever approves is operator too"


def _open_buttons(pipeline: Pipeline, service: Service) -> str | None:
    """The web interface has no login of its own, so who pressed there is not known."""
    buttons = ", ".join(each.value for each in pipeline.roles.buttons)
    return (
        f"whoever reaches the web interface may use: {buttons} (`roles: {{web_interface: []}}` closes it)"
        if (buttons)
        else None
    )


def _means(evidence: str, lacks: _Lacks) -> Means:
    return Means(evidence, lacks)


APPROVAL = _means(
    "signed approval about image, configuration and evidence: entry `approve` in the ledger", _no_approval
)
FOUR_EYES = _means("four eyes: an approval by whoever wrote part of it does not count", _no_four_eyes)
ROLES = _means(
    "roles with least privilege; whatever changes something is signed or shows a token (`shopkart roles`)", _no_roles
)
BUTTONS = _means("nothing is changed in the web interface by somebody unknown", _open_buttons)
REVIEW = _means("`code_review.unreviewed`: every commit traced to its pull request and reviews", _no_review)
BRANCHES = _means("check `branch_protection` of the branch, by schedule", _no_code_host)
RESCAN = _means("rescans of what runs in production (`shopkart rescans`), by schedule", _no_rescan)
STAGING = _means("environment before production, in which the very digest is tested first", _no_staging)
SEPARATION = _means("production and what comes before it are places of their own", _no_separation)
HOSTED = _means("declared build level, in the signed verification summary", _not_hosted)
FRESH = _means("date of the advisory data, in the record of each scan", _stale_advisories)
PROVENANCE = stage(
    StageKind.ATTESTATIONS, "SLSA provenance v1 in a signed envelope, beside the image and in the bundle"
)
BILLS = stage(StageKind.ATTESTATIONS, "CycloneDX bills of image and application; `shopkart affected`")
RECORDS = always("record of every stage by whom, when, with which tool and result; `shopkart show`, asset lineage")
LEDGER = always("hash-chained ledger of every act, with signed heads; `shopkart ledger verify`")
ENFORCED = always("production recomputes the verdict from stored evidence; nothing in the interface can stand for it")
ROLLBACK = always("automatic and manual rollback to the last good unit; `shopkart rollback`, entry `roll_back`")
WAIVERS = always("waivers with owner, reason and end, told at every gate that they touch; `waivers.yaml`")
INCIDENTS = always("incidents with timeline and postmortem; `shopkart incidents`")
