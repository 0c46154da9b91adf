"""How the stages of a service run. Each kind of stage has the keys that it can make use of, and no others."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from shopkart_pipeline.spec.models.load_test import LoadTestStage
from shopkart_pipeline.spec.models.run_pods import StagePodSpec
from shopkart_pipeline.spec.models.section import Command, Reason, ReportPath, Section
from shopkart_pipeline.spec.models.stage import DECLARED_COMMAND, StageDetails, StageSpec, ToolStage

_NO_COMPATIBILITY_TESTS = (
    "no `compatibility.command` is declared: nobody tests the new version beside the running one on the same data"
)

_Junit = Annotated[
    ReportPath | None, Field(description="Where the command writes JUnit XML, relative to the service's path.")
]
_Coverage = Annotated[
    ReportPath | None,
    Field(description="Where the command writes Cobertura XML or LCOV, relative to the service's path."),
]
_Sarif = Annotated[
    ReportPath | None, Field(description="Where the command writes SARIF 2.1.0, relative to the service's path.")
]
_Checkstyle = Annotated[
    ReportPath | None, Field(description="Where the command writes checkstyle XML, relative to the service's path.")
]
_Retries = Annotated[
    int | None,
    Field(ge=0, le=5, description="How often failed tests are run again; one that then passes is counted as flaky."),
]
_Pod = Annotated[
    StagePodSpec | None,
    Field(description="Gives the stage a pod of its own where runs are pods (Kubernetes), and says what it may use."),
]
_Disabled = Annotated[Reason | None, Field(description="Leaves the stage out, with its gates; says why.")]


class InstallStage(ToolStage):
    """A shipped stage that installs or builds."""

    pod: _Pod = None


class ReviewStage(StageSpec):
    """A shipped stage that has no tool to choose."""

    disabled: _Disabled = None

    def details(self) -> StageDetails:
        return StageDetails(options=self.options or {}, disabled=self.disabled)


class AttestationStage(StageSpec):
    """A shipped stage that signs statements; production then verifies them."""

    disabled: _Disabled = None

    def details(self) -> StageDetails:
        return StageDetails(options=self.options or {}, disabled=self.disabled)


class MigrationStage(StageSpec):
    """A shipped stage that runs a command of `workload.migrations`; it is there where that command is declared."""


class ScanStage(ToolStage):
    """A shipped stage that looks for findings."""

    command: Command | None = Field(
        default=None,
        description="Runs instead of the tool, in the service's folder; `sarif` or `checkstyle` says where it reports.",
    )
    sarif: _Sarif = None
    checkstyle: _Checkstyle = None
    disabled: _Disabled = None

    def details(self) -> StageDetails:
        tool = self.tool or "auto"
        return StageDetails(
            tool=DECLARED_COMMAND if self.command and tool == "auto" else tool,
            command=tuple(self.command or ()),
            sarif=self.sarif,
            checkstyle=self.checkstyle,
            options=self.options or {},
            disabled=self.disabled,
        )


class LintStage(ScanStage):
    """A shipped stage that lints; what configures a linter may be code of the project."""

    pod: _Pod = None


class SuiteStage(ToolStage):
    """A shipped stage that runs tests."""

    command: Command | None = Field(
        default=None,
        description="Runs the tests, in the service's folder; `{python}` is its environment's interpreter.",
    )
    junit: _Junit = None
    coverage: _Coverage = None
    retries: _Retries = None
    pod: _Pod = None
    disabled: _Disabled = None

    def details(self) -> StageDetails:
        return StageDetails(
            tool=self.tool or "auto",
            command=tuple(self.command or ()),
            junit=self.junit,
            coverage=self.coverage,
            retries=self.retries or 0,
            options=self.options or {},
            disabled=self.disabled,
        )


class CompatibilityStage(SuiteStage):
    """The tests of two versions on the same data, which the pipeline can't have of its own."""

    def details(self) -> StageDetails:
        details = super().details()
        if details.command or details.disabled:
            return details
        return replace(details, disabled=_NO_COMPATIBILITY_TESTS)


class OwnStage(StageSpec):
    """A stage of one's own: a command whose exit code, and whose reports if it names any, are its evidence."""

    phase: Literal["ci", "staging"] | None = Field(
        default=None,
        description="`ci` runs before there is a deployment, `staging` in the run that deploys to staging.",
    )
    command: Command | None = Field(
        default=None, description="What to run, in the service's folder; `{python}` is its environment's interpreter."
    )
    junit: _Junit = None
    coverage: _Coverage = None
    sarif: _Sarif = None
    checkstyle: _Checkstyle = None
    retries: _Retries = None
    pod: _Pod = None
    disabled: _Disabled = None

    def details(self) -> StageDetails:
        return StageDetails(
            command=tuple(self.command or ()),
            junit=self.junit,
            coverage=self.coverage,
            sarif=self.sarif,
            checkstyle=self.checkstyle,
            retries=self.retries or 0,
            options=self.options or {},
            disabled=self.disabled,
        )


class StagesSpec(Section):
    """The stages of a service by name: the shipped ones, and those of one's own."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, OwnStage | None] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    source: ToolStage | None = Field(default=None, description="Checks out the commit of the release.")
    dependencies: InstallStage | None = Field(default=None, description="Installs what the lock file pins.")
    lint: LintStage | None = Field(default=None, description="Runs the linter.")
    secret_scan: ScanStage | None = Field(
        default=None, description="Looks for credentials in every commit of the release."
    )
    dependency_scan: ScanStage | None = Field(
        default=None, description="Compares dependencies with security advisories."
    )
    manifests: ScanStage | None = Field(
        default=None,
        description="Checks that the Kubernetes manifests carry what a deployment without downtime needs. It is there "
        "where an environment's platform is `kubernetes` or the service brings manifests of its own.",
    )
    unit_tests: SuiteStage | None = Field(default=None, description="Runs the unit tests and measures coverage.")
    quality: ScanStage | None = Field(default=None, description="Judges new code.")
    application: InstallStage | None = Field(default=None, description="Builds what the image will hold.")
    image: ToolStage | None = Field(default=None, description="Builds the image.")
    image_scan: ScanStage | None = Field(
        default=None, description="Compares what the image holds with security advisories."
    )
    published_image: ToolStage | None = Field(
        default=None, description="Pushes the image to the registry, once, and confirms its digest."
    )
    attestations: AttestationStage | None = Field(
        default=None,
        description="Signs what continuous integration established about the image: provenance, bills of materials, "
        "results of tests and of every stage. Option `builder_id` names who builds, `build_level` the SLSA level that "
        "is claimed for it.",
    )
    code_review: ReviewStage | None = Field(
        default=None, description="Asks the code host who reviewed what the release brings to production."
    )
    staging_expand: MigrationStage | None = Field(
        default=None, description="Runs the expanding migration in staging, before the digest is deployed there."
    )
    staging: ToolStage | None = Field(default=None, description="Deploys the digest to staging.")
    integration_tests: SuiteStage | None = Field(
        default=None, description="Runs the integration tests against staging."
    )
    acceptance_tests: SuiteStage | None = Field(default=None, description="Runs the acceptance tests against staging.")
    compatibility: CompatibilityStage | None = Field(
        default=None,
        description="Runs tests against the new version in staging and, beside it on the same datastores, the one that "
        "is in production: each has to go on with what the other wrote. It is there where a `command` is declared; "
        "without one every verdict says so.",
    )
    load_test: LoadTestStage | None = Field(
        default=None,
        description="Sends multiples of production's peak to staging and measures what becomes of it. It is there "
        "where something is said about it.",
    )
    staging_attestations: AttestationStage | None = Field(
        default=None, description="Signs what staging showed of the image."
    )
    production_expand: MigrationStage | None = Field(
        default=None, description="Runs the expanding migration in production, before the digest is deployed there."
    )
    production: ToolStage | None = Field(default=None, description="Deploys the digest to production, after approval.")
    contract: MigrationStage | None = Field(
        default=None,
        description="Runs the contracting migration in staging and then in production, `contract_after` the release "
        "came to stand in production.",
    )

    def by_name(self) -> dict[str, StageSpec]:
        """The stages that something is said about, the shipped ones first."""
        found: dict[str, StageSpec] = {}
        for name in SHIPPED_STAGES:
            spec: StageSpec | None = getattr(self, name)
            if spec is not None:
                found[name] = spec
        for name, own in (self.__pydantic_extra__ or {}).items():
            found[name] = own or OwnStage()
        return found


SHIPPED_STAGES: tuple[str, ...] = tuple(StagesSpec.model_fields)
"""Names of the shipped stages."""
