"""For how long and how often a deployment is watched after its release, as declared."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HealthWatch:
    """How an environment is watched."""

    bake_seconds: float
    """For how long after a release took it; 0: not at all."""
    every_seconds: float = 60.0
    """From one look to the next, while it bakes."""
