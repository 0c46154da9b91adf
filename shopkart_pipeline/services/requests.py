"""What asks for a run: plain data between the services that decide and the engine that launches."""

from dataclasses import dataclass

from shopkart_pipeline.domain.declaration import Phase


@dataclass(frozen=True)
class RunRequest:
    """Please run this phase of this release. Equal keys are one run, however often and by whomever they are asked."""

    key: str
    service: str
    release_key: str
    phase: Phase
    reason: str
