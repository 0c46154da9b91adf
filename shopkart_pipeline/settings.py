"""What the surroundings say: the only reader of environment variables, and the keeper of the home's layout.

| variable | meaning | default |
| --- | --- | --- |
| `SHOPKART_DECLARATION` | the declaration | `shopkart.yaml` here, else the shipped one |
| `SHOPKART_HOME` | everything that this pipeline keeps | `.shopkart` beside the declaration |
| `SHOPKART_HOME_LASTS` | `no` where the home is gone with this process, as in a pod | `yes` |
| `SHOPKART_FINDING_NAMES_KEY` | names secrets that were found; 64 hexadecimal digits | `secrets/finding-names` |
| `SHOPKART_RUNTIME` | how the local cluster runs replicas: `auto`, `process` or `docker` | `auto` |
| `DOCKER_HOST` | address of the Docker Engine, as for any other tool | the local socket |
| `BUILDX_BUILDER` | which of buildx's builders makes images, as for buildx itself | the engine's own |
| `SHOPKART_WEBHOOK_SECRET` | secrets that sign webhooks, separated by commas | `secrets/webhook` in the home |
| `SHOPKART_REGISTRY_USER`, `SHOPKART_REGISTRY_PASSWORD` | for a registry of kind `oci` | none |
| `SHOPKART_ADVISORY_SERVICE` | base address of an advisory service that speaks OSV | `https://api.osv.dev` |
| `SHOPKART_SONAR_TOKEN` | user token for the SonarQube servers that stages declare | none |
| `SHOPKART_SONAR_WEBHOOK_SECRET` | secrets that sign SonarQube's webhooks | none: no such webhooks |
| `SHOPKART_ALERTMANAGER_TOKEN` | bearer tokens of Alertmanager, separated by commas | none: no such webhooks |
| `SHOPKART_GITHUB_APP_ID`, `SHOPKART_GITHUB_PRIVATE_KEY_FILE` | the GitHub App that the pipeline acts as | none |
| `SHOPKART_GITHUB_TOKEN` | a token to act with instead of an App | none |
| `SHOPKART_PROMETHEUS_TOKEN` | token for the Prometheus servers that environments declare | none |
| `SHOPKART_PROMETHEUS_TOKEN_FILE` | a file with that token instead, read for each request | none |
| `SHOPKART_PROMETHEUS_CA_FILE` | certificates in PEM by which they are known | those that every program trusts |
| `SHOPKART_LOKI_TOKEN`, `SHOPKART_LOKI_TOKEN_FILE`, `SHOPKART_LOKI_CA_FILE` | the same for Loki servers | as above |
| `SHOPKART_NOTIFY_...` | secrets of channels, as `notifications` names them | none |
| `SHOPKART_DATABASE_NAME` | address of the PostgreSQL database `NAME` that is backed up, as libpq takes it | none |
| `SHOPKART_DATABASE_NAME_FILE` | a file with that address instead, read for each backup | none |
| `SHOPKART_BACKUP_KEY_FILE` | a file with the key that seals backups, 32 bytes in base64 | `secrets/backup-key` |
| `SHOPKART_CONFINEMENT` | whether commands are kept from keys and stores: `auto`, `required` or `off` | `auto` |
| `SHOPKART_TOKEN`, `SHOPKART_TOKEN_FILE` | a machine's token for commands that change something | none |
| `SHOPKART_PUBLIC_URL` | where people reach the web interface; links to runs begin with it | none: no links |
| `SHOPKART_INBOX` | where webhooks are kept, as a PostgreSQL address | `inbox.db` in the home |
| `SHOPKART_LEDGER` | where acts are recorded, as a PostgreSQL address | `ledger.db` in the home |
| `SHOPKART_STORES` | where evidence, incidents and messages are kept, as a PostgreSQL address | the home |
| `SHOPKART_DAGSTER_DB_HOST`, `_NAME`, `_USER`, `_PASSWORD` | Dagster's database, on Kubernetes | none |
| `SHOPKART_LEDGER_ANCHOR` | a folder or `s3://BUCKET/PREFIX` where the ledger's heads are kept, too | none |
| `SHOPKART_SIGNER_URI` | the key that signs statements, as securesystemslib names it: `awskms:...` | `signer/key.pem` |
| `SHOPKART_SIGNER_PUBLIC_KEY_FILE` | its public key in PEM, for keys elsewhere than in AWS KMS | none |
| `SHOPKART_SIGNER_KEY` | the key itself, PKCS #8 in PEM, for a signer without a home that lasts | none |
| `SHOPKART_SIGNER_ADDRESS` | `HOST:PORT` of a signer in the network | none: it is on this machine |
| `SHOPKART_SIGNER_TOKEN` | what that signer and its callers share, separated by commas; the first is used | none |
| `SHOPKART_TRUSTED_KEYS` | file of the keys whose signatures count | `trust/attestation-keys.json` in the home |
| `SHOPKART_PORT` | port of the web interface | 3000 |
| `SHOPKART_RECEIVER_PORT` | port of the webhook receiver | 3001 |
| `SHOPKART_EXPORTER_PORT` | port of the pipeline's own metrics | 3002 |
| `SHOPKART_AUDIT_PORT` | port of the web interface for auditors | 3003 |
| `SHOPKART_SIGNER_PORT` | port of the signer, where it listens in the network | 3004 |
| `SHOPKART_PROXY` | what asks people who they are before they reach us, such as `oauth2-proxy` | none: we warn |

Where a secret is meant, `VARIABLE_FILE` may name a file that holds it, and `VARIABLE_SECRET` a secret in AWS Secrets
Manager (name or ARN, and `#KEY` for one value of a JSON object); exactly one of the three. It is read at the start
unless the table says otherwise, and kept out of everything that leaves the process (`known_secrets`).
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.access_settings import AccessSettings
from shopkart_pipeline.backup_settings import BackupSettings
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.notification import SecretReference
from shopkart_pipeline.domain.step_pods import StepPodPlace
from shopkart_pipeline.domain.trusted_key import KEYS_FILE
from shopkart_pipeline.given_secret import read_reference
from shopkart_pipeline.kept_secret import keep_secret
from shopkart_pipeline.known_secrets import know
from shopkart_pipeline.ledger_settings import LedgerSettings
from shopkart_pipeline.secret_settings import (
    BearerLogin,
    GitHubAccess,
    database_address,
    key_bytes,
    login,
    several,
    token,
)
from shopkart_pipeline.signer_settings import SignerSettings
from shopkart_pipeline.step_pod_settings import read_place

SHIPPED_DECLARATION = Path(__file__).resolve().parent.parent / "shopkart.yaml"
_OF_OTHERS = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "PGPASSWORD",
    "SHOPKART_DAGSTER_DB_PASSWORD",
    "SHOPKART_TOKEN",
)
"""Secrets that are read elsewhere, if at all."""
_OF_TERRAFORM = frozenset(
    {"GITHUB_APP_ID", "GITHUB_APP_INSTALLATION_ID", "GITHUB_APP_PEM_FILE", "GITHUB_TOKEN", "HOME"}
)
"""Besides what begins with `AWS_` and `TF_`: the provider of GitHub, and where profiles are."""
_RUNTIMES = ("auto", "process", "docker")


@dataclass(frozen=True)
class Settings:
    """The surroundings, read once."""

    home: Path
    declaration: Path
    runtime: str
    docker_host: str
    buildx_builder: str | None
    buildx_state: Path
    """Where buildx keeps what it knows of its builders; no credentials are in there."""
    webhook_secrets: tuple[str, ...]
    """Given by the environment; empty: see `webhook_secrets_of`."""
    advisory_service: str
    sonar_token: str = field(repr=False)
    """Empty: there is none."""
    sonar_webhook_secrets: tuple[str, ...] = field(repr=False)
    """Empty: webhooks of SonarQube are not accepted."""
    web_port: int
    receiver_port: int
    github: GitHubAccess = field(default_factory=GitHubAccess)
    public_url: str = ""
    """Without a slash at its end; empty: nothing links to the web interface."""
    inbox_address: str = field(default="", repr=False)
    """Of a PostgreSQL database, with its password; empty: a file in the home."""
    stores_address: str = field(default="", repr=False)
    """Of a PostgreSQL database, with its password; empty: evidence, incidents and messages are in the home."""
    prometheus: BearerLogin = field(default_factory=BearerLogin)
    loki: BearerLogin = field(default_factory=BearerLogin)
    alertmanager_tokens: tuple[str, ...] = field(default=(), repr=False)
    """Empty: webhooks of Alertmanager are not accepted."""
    backups: BackupSettings = field(default_factory=BackupSettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
    exporter_port: int = 3002
    audit_port: int = 3003
    proxy: str = ""
    """Empty: nothing before us asks people who they are."""
    registry_login: tuple[str, str] | None = field(default=None, repr=False)
    """User and password for a registry of kind `oci`; None: it asks nobody who they are."""
    home_lasts: bool = True
    """Whether what is kept in the home is there tomorrow, and for other processes."""
    finding_names_key: bytes = field(default=b"", repr=False)
    """Empty: one is made and kept in the home."""
    signer: SignerSettings = field(default_factory=SignerSettings)
    signer_port: int = 3004
    step_pods: StepPodPlace | None = None
    """None: every stage runs where its run runs."""
    instance_folder: Path | None = None
    """`DAGSTER_HOME`; None: it is in the home."""

    @property
    def signer_folder(self) -> Path:
        """Where the signer's socket, token and key are: in the home, which commands of stages can't look into."""
        return self.home / "signer"

    @property
    def trusted_keys(self) -> Path:
        """The file of the keys whose signatures count."""
        return self.signer.trusted_keys or self.home / KEYS_FILE

    @property
    def dagster_home(self) -> Path:
        return dagster_home_of(self.home)

    @property
    def dagster_configuration(self) -> Path:
        """The `dagster.yaml` by which this pipeline runs: the home's own, else the one that `DAGSTER_HOME` names."""
        own = self.dagster_home / "dagster.yaml"
        return own if own.exists() or self.instance_folder is None else self.instance_folder / "dagster.yaml"


def dagster_home_of(home: Path) -> Path:
    """Where Dagster's instance lives in a home."""
    return home / "dagster"


def from_environment(variables: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises `PipelineError` for a value that can't be used."""
    given = os.environ if variables is None else variables
    know(*(given.get(name) for name in _OF_OTHERS))
    declaration = Path(given.get("SHOPKART_DECLARATION") or _default_declaration()).absolute()
    home = Path(given.get("SHOPKART_HOME") or declaration.parent / ".shopkart").absolute()
    runtime = given.get("SHOPKART_RUNTIME") or "auto"
    if runtime not in _RUNTIMES:
        raise PipelineError(f"SHOPKART_RUNTIME is {runtime!r}.", f"Use one of: {', '.join(_RUNTIMES)}.")
    return Settings(
        home=home,
        declaration=declaration,
        runtime=runtime,
        docker_host=given.get("DOCKER_HOST") or "unix:///var/run/docker.sock",
        buildx_builder=given.get("BUILDX_BUILDER") or None,
        buildx_state=_buildx_state(given),
        webhook_secrets=several(given, "SHOPKART_WEBHOOK_SECRET"),
        advisory_service=given.get("SHOPKART_ADVISORY_SERVICE") or "https://api.osv.dev",
        sonar_token=token(given, "SHOPKART_SONAR_TOKEN"),
        sonar_webhook_secrets=several(given, "SHOPKART_SONAR_WEBHOOK_SECRET"),
        github=GitHubAccess.read(given),
        prometheus=BearerLogin.read(given, "PROMETHEUS"),
        loki=BearerLogin.read(given, "LOKI"),
        public_url=_public_url(given),
        inbox_address=database_address(given, "SHOPKART_INBOX"),
        stores_address=database_address(given, "SHOPKART_STORES"),
        alertmanager_tokens=several(given, "SHOPKART_ALERTMANAGER_TOKEN"),
        backups=BackupSettings.read(given),
        access=AccessSettings.read(given),
        ledger=LedgerSettings.read(given),
        web_port=_port(given, "SHOPKART_PORT", 3000),
        receiver_port=_port(given, "SHOPKART_RECEIVER_PORT", 3001),
        instance_folder=Path(given["DAGSTER_HOME"]).absolute() if given.get("DAGSTER_HOME") else None,
        exporter_port=_port(given, "SHOPKART_EXPORTER_PORT", 3002),
        audit_port=_port(given, "SHOPKART_AUDIT_PORT", 3003),
        proxy=(given.get("SHOPKART_PROXY") or "").strip(),
        home_lasts=_yes(given, "SHOPKART_HOME_LASTS"),
        finding_names_key=key_bytes(given, "SHOPKART_FINDING_NAMES_KEY"),
        signer=SignerSettings.read(given),
        signer_port=_port(given, "SHOPKART_SIGNER_PORT", 3004),
        registry_login=login(given, "SHOPKART_REGISTRY_USER", "SHOPKART_REGISTRY_PASSWORD"),
        step_pods=read_place(given),
    )


def terraform_variables(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """What Terraform and its providers need to reach what they compare; nothing that adds arguments to a call."""
    given = os.environ if variables is None else variables
    return {
        name: value
        for name, value in given.items()
        if name in _OF_TERRAFORM
        or (name.startswith(("AWS_", "TF_")) and not name.startswith(("TF_CLI_ARGS", "TF_LOG")))
    }


def set_apart(outer: Settings, home: Path) -> Settings:
    """The settings of a platform of its own, with the shipped declaration.

    Everything of ours is taken out of this process's environment, so that nothing that it starts from now on finds the
    inbox, the code host, the registry or the channels of the real one.
    """
    for name in [name for name in os.environ if name.startswith("SHOPKART_")]:
        del os.environ[name]
    given = {"SHOPKART_HOME": str(home), "SHOPKART_DECLARATION": str(SHIPPED_DECLARATION)}
    return from_environment({**os.environ, **given, "SHOPKART_RUNTIME": outer.runtime})


def variables_for(settings: Settings) -> dict[str, str]:
    """The environment of a process of ours: this process's own, with the settings made explicit."""
    return {
        **os.environ,
        "SHOPKART_HOME": str(settings.home),
        "SHOPKART_DECLARATION": str(settings.declaration),
        "SHOPKART_RUNTIME": settings.runtime,
        "DAGSTER_HOME": str(settings.dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }


def webhook_secrets_of(settings: Settings) -> tuple[str, ...]:
    """The webhook secrets: those given, else one made at random and kept in the home (mode 0600)."""
    if settings.webhook_secrets:
        return settings.webhook_secrets
    if not settings.home_lasts:
        raise PipelineError("SHOPKART_WEBHOOK_SECRET is not set.", "Set it to what GitHub signs webhooks with.")
    path = settings.home / "secrets" / "webhook"
    keep_secret(path, lambda: secrets.token_urlsafe(32))
    made = tuple(path.read_text().split())
    know(*made)
    return made


def read_secret(reference: SecretReference, *, lines: bool = False) -> str:
    """A secret, read when it is needed, as secrets are renewed; see `read_reference`."""
    return read_reference(reference, os.environ, lines=lines)


def _default_declaration() -> Path:
    here = Path("shopkart.yaml")
    return here if here.exists() else SHIPPED_DECLARATION


def _yes(given: Mapping[str, str], name: str) -> bool:
    said = given.get(name) or "yes"
    if said not in ("yes", "no"):
        raise PipelineError(f"{name} is {said!r}.", "Use yes or no.")
    return said == "yes"


def _public_url(given: Mapping[str, str]) -> str:
    url = (given.get("SHOPKART_PUBLIC_URL") or "").rstrip("/")
    if url and not (url.startswith(("http://", "https://")) and url.isascii() and url.isprintable() and " " not in url):
        raise PipelineError(f"SHOPKART_PUBLIC_URL is {url!r}.", "Use an address such as https://pipeline.example.")
    return url


def _buildx_state(given: Mapping[str, str]) -> Path:
    docker = given.get("DOCKER_CONFIG") or Path(given.get("HOME") or "/", ".docker")
    return Path(given.get("BUILDX_CONFIG") or Path(docker, "buildx")).absolute()


def _port(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535):
        raise PipelineError(f"{name} is {text!r}.", "Use a port number from 0 to 65535 (0: any free one).")
    return int(text)
