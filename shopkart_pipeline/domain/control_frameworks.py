"""The requirements that the control map is about, each with what answers it.

Sources: SLSA v1.2, build track and source track; AICPA Trust Services Criteria 2017 with points of focus of 2022,
CC8.1; PCI DSS v4.0.1, requirement 6. What they ask is told in our words: whoever is audited reads theirs.
"""

from shopkart_pipeline.domain.control_means import (
    APPROVAL,
    BILLS,
    BRANCHES,
    BUTTONS,
    ENFORCED,
    FOUR_EYES,
    FRESH,
    HOSTED,
    INCIDENTS,
    LEDGER,
    PROVENANCE,
    RECORDS,
    RESCAN,
    REVIEW,
    ROLES,
    ROLLBACK,
    SEPARATION,
    STAGING,
    WAIVERS,
    gate,
    stage,
)
from shopkart_pipeline.domain.controls import Requirement
from shopkart_pipeline.domain.declaration import StageKind

SLSA, SOC_2, PCI_DSS = "SLSA v1.2", "SOC 2 CC8.1", "PCI DSS v4.0.1"

_TESTS = (
    gate(StageKind.UNIT_TESTS, "failed", "unit tests, JUnit report"),
    gate(StageKind.INTEGRATION_TESTS, "failed", "integration tests against the deployed image"),
    gate(StageKind.ACCEPTANCE_TESTS, "failed", "acceptance tests against the deployed image"),
)
_SCANS = (
    gate(StageKind.DEPENDENCY_SCAN, "vulnerabilities", "advisories about dependencies, with their date"),
    gate(StageKind.IMAGE_SCAN, "vulnerabilities", "advisories about what is in the image"),
)
_SECRETS = gate(StageKind.SECRET_SCAN, "secrets", "secrets in the history of the change")
_QUALITY = (
    gate(StageKind.LINT, "new_violations", "linter findings on new code"),
    gate(StageKind.QUALITY, "new_violations", "quality and security findings on new code"),
)

_SLSA = (
    Requirement(SLSA, "Build L1", "Provenance exists and says how the package was built", (PROVENANCE,)),
    Requirement(
        SLSA,
        "Build L2",
        "A hosted platform builds and signs the provenance",
        (PROVENANCE, HOSTED),
    ),
    Requirement(
        SLSA,
        "Build L3",
        "Builds are isolated, and can't reach what signs their provenance",
        (PROVENANCE, HOSTED),
        "the signer is a process of its own and commands are confined, but builds share a machine and its kernel with "
        "the control plane",
    ),
    Requirement(
        SLSA,
        "Source L1",
        "The source is under version control, and revisions are named for good",
        (stage(StageKind.SOURCE, "commit and digest of its tree"),),
    ),
    Requirement(
        SLSA,
        "Source L2",
        "History is kept, and branches are protected from being rewritten",
        (BRANCHES, REVIEW),
        "source provenance attestations are the code host's to issue; none are asked for",
    ),
    Requirement(
        SLSA,
        "Source L3",
        "Technical controls on branches are enforced all the time",
        (BRANCHES,),
        "looked at by schedule; what was changed and changed back in between is not seen",
    ),
    Requirement(SLSA, "Source L4", "Two trusted people agree to every change before it is merged", (REVIEW, BRANCHES)),
)

_SOC_2 = (
    Requirement(
        SOC_2,
        "Life cycle",
        "Changes are managed throughout their life",
        (RECORDS, ENFORCED),
        "what is changed beside the declared services (infrastructure, data by hand) is not seen",
    ),
    Requirement(
        SOC_2, "Authorises changes", "Changes are authorised before development", (), "a matter of planning tools"
    ),
    Requirement(SOC_2, "Designs and develops", "Changes are developed by a process", (REVIEW, *_QUALITY)),
    Requirement(
        SOC_2,
        "Documents changes",
        "Changes are documented for those who maintain and use it",
        (RECORDS, LEDGER),
        "documents for users are not looked at",
    ),
    Requirement(SOC_2, "Tracks changes", "Changes are tracked before implementation", (REVIEW, RECORDS)),
    Requirement(
        SOC_2,
        "Configures software",
        "Parameters are chosen and implemented under control",
        (gate(StageKind.STAGING, "released", "the configuration's digest, rolled out in staging first"), APPROVAL),
    ),
    Requirement(SOC_2, "Tests changes", "Changes are tested before they are implemented", (*_TESTS, STAGING)),
    Requirement(SOC_2, "Approves changes", "Changes are approved before they are implemented", (APPROVAL, FOUR_EYES)),
    Requirement(
        SOC_2,
        "Deploys changes",
        "Changes are implemented under control, with duties kept apart",
        (
            ENFORCED,
            FOUR_EYES,
            ROLES,
            BUTTONS,
            gate(StageKind.PRODUCTION, "released", "canary, judge and rollout report"),
        ),
    ),
    Requirement(
        SOC_2,
        "Identifies and evaluates",
        "Objectives affected by a change are identified and judged",
        (gate(StageKind.PRODUCTION, "released", "the judge's measurements of canary and stable"),),
        "what a change may affect is foreseen by people",
    ),
    Requirement(SOC_2, "Remediates incidents", "Changes needed after incidents are identified", (INCIDENTS, ROLLBACK)),
    Requirement(
        SOC_2,
        "Baseline",
        "A baseline configuration is kept",
        (LEDGER, stage(StageKind.SOURCE, "the declaration's digest")),
    ),
    Requirement(
        SOC_2,
        "Emergencies",
        "There is a way for changes that can't wait",
        (ROLLBACK, WAIVERS, LEDGER),
    ),
    Requirement(
        SOC_2,
        "Patches",
        "Patches are identified, tested and applied in time",
        (*_SCANS, FRESH, RESCAN),
        "nothing enforces a time",
    ),
    Requirement(
        SOC_2,
        "Protects confidential and personal information",
        "Such information is protected during design, testing and change",
        (_SECRETS,),
        "which data tests use is not looked at",
    ),
)

_PCI_DSS = (
    Requirement(
        PCI_DSS,
        "6.2.1",
        "Custom software is developed securely, by industry standards",
        (*_QUALITY, REVIEW),
        "standards of how software is written are documents of the organisation",
    ),
    Requirement(PCI_DSS, "6.2.2", "Developers are trained once a year", (), "training is not a pipeline's to show"),
    Requirement(PCI_DSS, "6.2.3", "Code is reviewed before it is released, and corrected", (REVIEW, *_QUALITY)),
    Requirement(
        PCI_DSS,
        "6.2.3.1",
        "Manual reviews are by others than the author, and approved before release",
        (REVIEW, APPROVAL, FOUR_EYES),
        "whether a reviewer knows secure coding is not a pipeline's to show",
    ),
    Requirement(
        PCI_DSS,
        "6.2.4",
        "Common attacks are prevented by techniques in development",
        (*_QUALITY, _SECRETS),
        "scanners find some kinds of faults; injection and logic need design and review",
    ),
    Requirement(PCI_DSS, "6.3.1", "Vulnerabilities are identified, ranked and followed", (*_SCANS, FRESH, RESCAN)),
    Requirement(PCI_DSS, "6.3.2", "There is an inventory of software and its components", (BILLS,)),
    Requirement(
        PCI_DSS,
        "6.3.3",
        "Patches are installed in time, critical ones within a month",
        (*_SCANS, FRESH, RESCAN),
        "a finding is shown with its date and its work; nothing enforces a month",
    ),
    Requirement(PCI_DSS, "6.4.1", "Public web applications are protected from attacks", (), "6.4.2 takes its place"),
    Requirement(
        PCI_DSS, "6.4.2", "An automatic solution detects and prevents web attacks", (), "a web application firewall"
    ),
    Requirement(
        PCI_DSS, "6.4.3", "Scripts of payment pages are authorised and inventoried", (), "no page is looked at"
    ),
    Requirement(
        PCI_DSS,
        "6.5.1",
        "Changes in production have reason, approval, tests and a way back",
        (RECORDS, APPROVAL, *_TESTS, *_SCANS, ROLLBACK),
        "the impact on security is described by whoever approves",
    ),
    Requirement(
        PCI_DSS,
        "6.5.2",
        "After a significant change all requirements are confirmed to be in place",
        (RECORDS,),
        "only for what this map is about",
    ),
    Requirement(
        PCI_DSS,
        "6.5.3",
        "Production is separated from what comes before it, and access enforces it",
        (SEPARATION,),
        "access to clusters and networks is theirs to enforce",
    ),
    Requirement(
        PCI_DSS,
        "6.5.4",
        "Roles are separated between production and what comes before it",
        (APPROVAL, FOUR_EYES, ENFORCED, ROLES, BUTTONS),
    ),
    Requirement(
        PCI_DSS, "6.5.5", "No live card numbers are used before production", (), "data of tests is not looked at"
    ),
    Requirement(
        PCI_DSS,
        "6.5.6",
        "Test data and accounts are removed before production",
        (gate(StageKind.IMAGE_SCAN, "credentials", "credentials in the image"),),
        "data and accounts in databases are not looked at",
    ),
)

REQUIREMENTS = (*_SLSA, *_SOC_2, *_PCI_DSS)
