"""Work that a rescan found: today's policy would not let what runs in production go there any more.

An item is about one finding in one image: the same finding in the next image is another item, and the same found every
night is one. It is open until the finding is gone (fixed, waived, not counted any more), or the image does not run any
more. A scanner that did not run closes nothing.
"""

from dataclasses import asdict, dataclass

from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.evidence import Finding
from shopkart_pipeline.domain.plain_text import plain


@dataclass(frozen=True)
class WorkItem:
    """One thing to do."""

    service: str
    release_key: str
    digest: str
    """Of the image that runs."""
    stage: str
    gate: str
    """The gate that would not be passed."""
    rule: str
    message: str
    fingerprint: str
    severity: str
    package: str = ""
    """With its version; empty for what is no package."""
    fixed_in: str = ""
    link: str = ""

    @property
    def id(self) -> str:
        """The same for the same finding in the same image, whatever else is told about it."""
        return digest_of((self.service, self.digest, self.stage, self.gate, self.fingerprint)).removeprefix("sha256:")[
            :12
        ]

    @property
    def subject(self) -> str:
        """One line."""
        fixed = f", fixed in {self.fixed_in}" if self.fixed_in else ""
        return plain(f"{self.rule} {self.package}".strip() + fixed)


@dataclass(frozen=True)
class ItemPlace:
    """Where items come from: one gate of one stage, over one image that runs."""

    service: str
    release_key: str
    digest: str
    stage: str
    gate: str

    def finding(self, finding: Finding) -> WorkItem:
        """What a finding that counts asks for."""
        package = " ".join(filter(None, (finding.package, finding.installed_version)))
        return WorkItem(
            **asdict(self),
            rule=finding.rule,
            message=finding.message,
            fingerprint=finding.fingerprint,
            severity=finding.severity.name.lower(),
            package=package or (finding.path or ""),
            fixed_in=finding.fixed_in or "",
            link=finding.link or "",
        )

    def measure(self, reason: str) -> WorkItem:
        """What a gate over a measure asks for."""
        return WorkItem(**asdict(self), rule=self.gate, message=reason, fingerprint="", severity="")
