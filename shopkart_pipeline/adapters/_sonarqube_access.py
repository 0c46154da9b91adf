"""Which SonarQube a stage means, who may be asked about a release, and what the token must never touch.

The server is named by the declaration alone, the token by the settings alone. A pull request never sees the token:
whoever proposes a change could make the analysis tell it.

Options of the stage: `server`, base address of the server as it names itself; `project`, its key there (default
`OWNER_REPOSITORY_SERVICE`); `branch`, for editions that know branches.
"""

import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit

from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.scanner import ScanRequest

_SERVER = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?")
_PROJECT = re.compile(r"(?=.*[A-Za-z_.:-])[A-Za-z0-9_.:-]{1,400}")
_BRANCH = re.compile(r"(?!-)[A-Za-z0-9._/-]{1,255}")
_REDACTED = b"[redacted]"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Project:
    """A project on a server."""

    server: str
    """Without a slash at its end."""
    key: str
    branch: str | None

    def owns(self, url: str) -> bool:
        """Whether an address is one of this server."""
        try:
            other = urlsplit(url)
            origin = _origin(other)
        except ValueError:
            return False
        mine = urlsplit(self.server)
        return origin == _origin(mine) and "@" not in other.netloc and other.path.startswith(f"{mine.path}/")


@dataclass(frozen=True)
class Access:
    """The token."""

    token: str = field(repr=False)
    """Empty: there is none."""

    def missing(self) -> str | None:
        """Why no server can be asked; None if one can."""
        return None if self.token else "no token is configured (SHOPKART_SONAR_TOKEN)"

    def refusal(self, request: ScanRequest) -> str | None:
        """Why no server may be asked about this release; None if one may."""
        if request.release.pull_request is not None:
            return "a pull request never sees the server's token"
        return self.missing()

    def redacted(self, content: bytes) -> bytes:
        """The content without the token, as it is or as HTTP writes it."""
        if self.token:
            plain = self.token.encode()
            for secret in (b64encode(plain + b":"), b64encode(plain), quote(self.token, safe="").encode(), plain):
                content = content.replace(secret, _REDACTED)
        return content

    def redacted_text(self, text: str) -> str:
        return self.redacted(text.encode()).decode()


def names_server(request: ScanRequest) -> bool:
    """Whether the stage's declaration names a server."""
    return bool(request.stage.options.get("server"))


def project_of(request: ScanRequest) -> Project | EvidenceMissing:
    """The project that the stage's options name."""
    options, release = request.stage.options, request.release
    server = options.get("server", "")
    key = options.get("project") or f"{release.repository.replace('/', '_')}_{release.service}"
    branch = options.get("branch") or None
    if not server:
        return EvidenceMissing("the stage's option `server` names no SonarQube server")
    if not _SERVER.fullmatch(server):
        return EvidenceMissing("the stage's option `server` is no address such as https://sonarqube.shopkart.example")
    if not _PROJECT.fullmatch(key):
        return EvidenceMissing("the stage's option `project` is no project key (letters, digits, - _ . :)")
    if branch is not None and not _BRANCH.fullmatch(branch):
        return EvidenceMissing("the stage's option `branch` is no branch name")
    return Project(server.rstrip("/"), key, branch)


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, _PORTS.get(url.scheme) if url.port is None else url.port
