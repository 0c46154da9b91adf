"""Where the logs of an environment are, as declared.

The defaults are the labels that the generated collector gives (`shopkart monitoring`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LokiSource:
    """A Loki server, or anything that speaks its HTTP API, and how its streams are labelled."""

    address: str
    """Base address, without a slash at its end."""
    tenant: str = ""
    """Sent as `X-Scope-OrgID`; empty: the server has one tenant alone."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further labels of every stream of the environment, such as `cluster`."""
    environment_label: str = "environment"
    service_label: str = "service"
    track_label: str = "track"
    """`stable` or `canary`."""
    version_label: str = "version"
    """Which release it is where the line itself doesn't say."""
    pod_label: str = "pod"
