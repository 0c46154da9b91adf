"""Whatever the pages have people type is typed, page by page and in order, where a release is in production.

The world is the proven release's: keys, signatures, evidence and ledger are real, what lies outside is played. What
can't be run here is in a table with the reason; so is what is put in for words that stand for something of one's own.
What no page has any more has to leave the tables.
"""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import copy
from unittest.mock import ANY

import pytest

from shopkart_pipeline.adapters.ssh_signature import SshSigner
from shopkart_pipeline.cli import approve, arguments
from shopkart_pipeline.cli.main import main
from shopkart_pipeline.domain.backup import BackedUp, Recovery
from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.run_stage import run_stage
from shopkart_pipeline.services.sign_ledger import sign_head
from shopkart_pipeline.settings import Settings
from shopkart_pipeline_tests.documented_commands import PAGES, ROOT, Typed, matches, typed_on
from shopkart_pipeline_tests.fakes.fake_database import BackupWorld
from shopkart_pipeline_tests.fakes.proven_release import ProvenRelease, proven_release

OUTSIDE = {
    "aws": "an account at AWS",
    "cosign": "sigstore's program; contract/test_cosign.py runs it where it is",
    "createdb": "a database server; contract/test_backups.py restores into one",
    "docker": "a Docker Engine; contract/test_own_image.py builds the image where one answers",
    "cd": "the folder of the real roots",
    "cp": "the files of the real roots",
    "git": "another version of the project",
    "helm": "a cluster; contract/test_helm_release.py does this in an emulated one",
    "jq": "a program that is not installed by the tests",
    "kubectl": "a cluster; contract/test_instance_on_kubernetes.py looks at what is applied",
    "pg_restore": "a database server; contract/test_backups.py restores into one",
    "python": "a copy of the verifier elsewhere; unit/verifier runs it, and shows these lines",
    "sha256sum": "a copy of the verifier elsewhere; unit/verifier compares these hashes",
    "terraform": "an account at AWS; contract/test_terraform.py runs the program where it is",
}
"""By program: what it would need."""
PLACES = {
    "REPOSITORY=$(terraform": "an account at AWS",
    "TAG=bootstrap": "a checkout; it names an image that is not built here",
    "DAGSTER_HOME=.shopkart/dagster .venv/bin/dagster": "Dagster's own command, with the environment of a checkout",
    "OAUTH2_PROXY_COOKIE_SECRET": "a program that is in no registry; unit/test_proxy_configuration.py reads its files",
    "openssl rand -base64 32 > /etc/shopkart": "a folder of the machine",
    'export SHOPKART_SIGNER_URI="$(terraform': "an account at AWS",
    "shopkart signer keys": "a key in AWS KMS; contract/test_kms.py signs with one",
    "shopkart signer rotate": "a signer's folder with a key; orchestration/test_planted_secrets.py rotates one",
    "shopkart stores copy": "a database server; contract/test_store_copy.py copies into one",
    "shopkart restore DATABASE[/ID] --in-place": "an empty database; contract/test_pipeline_stores.py has one",
    "shopkart restore pipeline": "a whole home; contract/test_pipeline_stores.py brings one back",
    "./shopkart rerun": "an engine; unit/cli/test_rerun.py plays it",
    "./shopkart rebuild": "a builder of images; contract/test_image_builder.py has them",
    "SHOPKART_PROXY=oauth2-proxy shopkart up": "a server; see `up`",
}
"""By beginning of a command: what it would need."""
SERVERS = {
    "bench": "takes half an hour; unit/cli/bench and orchestration/test_bench.py run its pieces",
    "demo": "takes minutes; e2e/test_demo.py runs it",
    "drill": "takes minutes; orchestration/test_drill.py runs it",
    "test": "takes minutes; it is what runs this",
    "up": "runs until Ctrl-C; e2e/test_demo.py starts the same processes",
}
"""By command of ours: why it is not run."""
SIGNER = "shopkart signer"
"""Runs until Ctrl-C: contract/test_cosign.py and unit tests of the signer serve."""
FILES = "--compute-logs shopkart-logs --region eu-central-1"
IMAGE = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/shopkart/pipeline@sha256:{'1' * 64}"
OWN_WORDS = {
    "installation ... --check": f"installation --image {IMAGE} {FILES} --check",
    "--compute-logs BUCKET": "--compute-logs shopkart-logs",
    "REPOSITORY@sha256:...": IMAGE,
    "REPOSITORY@sha256:NEW": IMAGE,
    '"$(terraform -chdir=deploy/terraform/production output -raw signer_uri)"': "awskms:alias/shopkart-signing",
    "$PWD/": "",
    "--team storefront": "--team shop",
    "show catalog": "show backend",
    "findings catalog": "findings backend",
    "approve catalog": "approve backend",
    "restore DATABASE": "restore shop",
}
"""What stands for something of one's own, and what is put in for it here."""
ANSWERS = {
    "./shopkart import jenkins Jenkinsfile --out shop.yaml": (1, "to be said: services"),
    "./shopkart health": (1, "was not measured: nobody counted requests"),
    "shopkart health": (1, "was not measured: nobody counted requests"),
    "./shopkart logs backend --errors --since 1h": (1, "backend has never written a log in production"),
    "./shopkart admission --out admission": (1, "Declare one of phase production with `platform: kubernetes`."),
    "./shopkart github": (1, "The declaration has no section `github`."),
    "./shopkart protection": (1, "No code host is declared"),
    "./shopkart affected CVE-2024-47874": (1, "Nobody here knows an advisory CVE-2024-47874."),
    "./shopkart affected CVE-2024-47874 --json": (1, "Nobody here knows an advisory CVE-2024-47874."),
    "./shopkart affected --package starlette --version '<0.40'": (1, "affected starlette 0.37.2"),
    "SHOPKART_TOKEN_FILE=nightly.token shopkart backup": (1, "The token is no machine's."),
}
"""By command: another exit code than 0, and words of the answer, where this world lacks what is asked about."""
OTHER_NUMBERS = {
    "shopkart ledger verify": "a ledger of years; unit/cli/test_ledger.py has these lines",
}
"""By command: why the output that is shown is not this world's."""


LONG = ("helm", "monitoring", "production-installation", "production-kubernetes", "upgrading")
"""Pages that write whole installations; README has one command of each kind."""


@dataclass
class Desk:
    """Where somebody sits who follows a page."""

    page: Path
    proven: ProvenRelease
    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def type(self, command: str) -> tuple[int, str]:
        """Exit code, and everything that was said."""
        if command.startswith("export "):
            return self._export(shlex.split(command)[1:])
        words = shlex.split(command)
        while re.match("[A-Z_]+=", words[0]):
            self._export([words.pop(0)])
        if not words[0].endswith("shopkart"):
            done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, timeout=20, check=False)
            return done.returncode, done.stdout + done.stderr
        into = words[words.index(">") + 1] if ">" in words else None
        with pytest.raises(SystemExit) as ended:
            main(words[1 : words.index(">")] if into else words[1:])
        said = self.capsys.readouterr()
        if into:
            (self.folder / into).write_text(said.out, encoding="utf-8")
        return int(str(ended.value.code or 0)), said.out + said.err

    def _export(self, settings: list[str]) -> tuple[int, str]:
        for setting in settings:
            name, _, value = setting.partition("=")
            self.monkeypatch.setenv(name, value)
        return 0, ""

    def _release(self) -> None:
        """One more release goes to production, with everything signed."""
        release = self.proven.world.ready()
        assert self.type("shopkart approve backend") == (0, ANY)
        assert run_stage(self.proven.platform, release, "production", "run-again").passed
        sign_head(self.proven.platform)

    def prepare(self, command: str) -> str:
        """Bring about what a command is about; returns the command for this world."""
        world = self.proven.world
        for words, own in OWN_WORDS.items():
            command = command.replace(words, own)
        if " approve " in command:
            world.ready()
        if " rollback " in command:
            self._release()
        if command.endswith((" backups", " drill-recovery")) or " restore " in command:
            self.type("shopkart backup")
        if " ID " in command:
            opened = open_incident(self.proven.platform)
            command = command.replace(" ID ", f" {opened} ")
        if "#7" in command:
            world.proposed()
        return re.sub(r" \[[^\]]*\]|\[/ID\]", "", command)


def open_incident(platform: Platform) -> str:
    """The id of an incident that somebody has opened."""
    with pytest.raises(SystemExit):
        main(["incident", "open", "backend", "--reason", "customers can't pay"])
    return platform.incidents.list()[0].id


@pytest.fixture
def desk(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    proven = proven_release(tmp_path)
    world, page = proven.world, request.param
    kept = BackupWorld(tmp_path / "backups", world.clock)
    world.backups = kept.backups
    recovery = Recovery(databases={"shop": BackedUp("shop")})
    world.pipeline = replace(world.pipeline, recovery=recovery, allowed_signers=proven.signers)
    lay_out(tmp_path, proven)
    for service in world.pipeline.services:
        world.declare(service, partial(with_signers, proven.signers))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SHOPKART_")]:
        monkeypatch.delenv(name)
    declaration = ROOT / ("examples/kubernetes/shopkart.yaml" if page.stem == "admission" else "shopkart.yaml")
    given = {"COLUMNS": 200, "HOME": tmp_path, "SHOPKART_HOME": tmp_path / ".shopkart"}
    given["SHOPKART_DECLARATION"] = declaration
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))

    def platform(settings: Settings) -> Platform:
        return proven.platform

    def signer(key: Path) -> SshSigner:
        return SshSigner(key if key.exists() else tmp_path / "approver.key")

    monkeypatch.setattr(arguments, "build_platform", platform)
    for module in (arguments, approve):
        monkeypatch.setattr(module, "SshSigner", signer)
    return Desk(page, proven, tmp_path, capsys, monkeypatch)


def with_signers(signers: Path, service: Service) -> Service:
    """A service whose approvals count by this file."""
    deployments = dict(service.deployments)
    for name, each in service.deployments.items():
        if each.approvals is not None:
            deployments[name] = replace(each, approvals=replace(each.approvals, allowed_signers=signers))
    return replace(service, deployments=deployments)


def lay_out(folder: Path, proven: ProvenRelease) -> None:
    """The files that pages speak of."""
    (folder / ".shopkart" / "trust").mkdir(parents=True)
    (folder / ".shopkart" / "trust" / "allowed_signers").symlink_to(proven.signers)
    (folder / ".shopkart" / "trust" / "attestation-keys.json").write_bytes(proven.keys)
    copy(ROOT / "shopkart.yaml", folder / "stricter.yaml")
    (folder / "slower.yaml").write_text("version: 1\nanalysis: {minimum_canary_requests: 200}\n", encoding="utf-8")
    copy(ROOT / "shopkart_pipeline_tests" / "samples" / "jenkins" / "storefront.Jenkinsfile", folder / "Jenkinsfile")
    started = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    (folder / "shop.yaml").write_text("".join(re.findall(r"```yaml\n(.*?)```", started, re.DOTALL)), encoding="utf-8")


def why_not_here(typed: Typed) -> str | None:
    """Why a command is not run; None where it is."""
    words = typed.command.split()
    if typed.command == SIGNER:
        return "runs until Ctrl-C"
    for beginning, reason in PLACES.items():
        if typed.command.startswith(beginning):
            return reason
    return SERVERS.get(words[1]) if typed.is_ours else OUTSIDE.get(words[0])


@pytest.mark.parametrize(
    "desk",
    [pytest.param(page, marks=pytest.mark.thorough if page.stem in LONG else ()) for page in PAGES if typed_on(page)],
    ids=lambda page: page.stem,
    indirect=True,
)
def test_a_page_can_be_followed(desk: Desk) -> None:
    for typed in typed_on(desk.page):
        if why_not_here(typed):
            continue
        code, words = ANSWERS.get(typed.command, (0, ""))

        ended, said = desk.type(desk.prepare(typed.command))

        assert ended == code, f"{typed.command}: {said}"
        assert words in said, typed.command
        if typed.shown and typed.command not in OTHER_NUMBERS:
            assert matches(typed.shown, said), f"{typed.command} says now:\n{said}"


def test_what_no_page_has_is_in_no_table() -> None:
    pages = [typed for page in PAGES for typed in typed_on(page)]
    commands = [typed.command for typed in pages]
    programs = {command.split()[0] for command in commands}

    assert [program for program in OUTSIDE if program not in programs] == []
    assert [name for name in SERVERS if not any(t.is_ours and f"shopkart {name}" in t.command for t in pages)] == []
    assert [place for place in PLACES if not any(command.startswith(place) for command in commands)] == []
    assert [words for words in OWN_WORDS if not any(words in command for command in commands)] == []
    assert [command for command in (*ANSWERS, *OTHER_NUMBERS, SIGNER) if command not in commands] == []


def test_where_a_reason_says_what_is_shown_is_there() -> None:
    reasons = [*OUTSIDE.values(), *PLACES.values(), *SERVERS.values(), *OTHER_NUMBERS.values()]
    named = {path for reason in reasons for path in re.findall(r"[\w./]+/[\w/]+(?:\.py)?", reason)}

    assert named
    assert [path for path in named if not (ROOT / "shopkart_pipeline_tests" / path).exists()] == []


def test_an_output_that_differs_is_seen() -> None:
    shown = ("proved … key …", "…", "23 proved")

    assert matches(shown, "proved x key y  \nmore\nand more\n23 proved\n")
    assert not matches(shown, "proved x key y\nmore\n22 proved\n")
    assert not matches(("all is well",), "all is well\nbut for this\n")
