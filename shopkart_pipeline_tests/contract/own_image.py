"""The pipeline's own image and its pods, as far as a Docker Engine can have them.

The base image is a small Debian with its Python, put together by `mmdebstrap` where no registry with base images can be
reached, and pushed to a registry on loopback, which gives it a digest. What this machine trusts and where it finds
packages is part of it, as companies with a proxy of their own do it.

A `Pod` is one container of a Deployment of the generated manifests: its command, its variables, its rights, its volumes
as kubelet makes them (they belong to root, and their group is the pod's `fsGroup`), and its probes, asked as kubelet
asks them. All are on the host's network. Where the manifests have a token for the cluster's API, so has the pod.
"""

import os
import re
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import which
from typing import Any

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shopkart_pipeline.adapters.docker_engine import DockerEngineBuilder
from shopkart_pipeline.ports.builder import BuiltImage, ImageRequest
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline_tests.contract.images import COMMITTED_AT, LABELS
from shopkart_pipeline_tests.contract.registry_server import PROGRAM
from shopkart_pipeline_tests.docker_base import engine_for_tests
from shopkart_pipeline_tests.pipeline_installation import ROOT, objects

DEBOOTSTRAP = which("mmdebstrap")
CLIENT = "/usr/bin/docker"
"""Of Debian's `docker.io`, as old as its engine."""
_PACKAGES = "python3,python3-venv,ca-certificates"
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
_TRUST = """\
FROM bootstrapped
COPY trusted.crt /etc/ssl/certs/ca-certificates.crt
COPY pip.conf /etc/pip.conf
RUN ln -s python3 /usr/bin/python
"""
_SETTINGS_OF_PIP = (Path("/etc/pip.conf"), Path("~/.config/pip/pip.conf").expanduser())
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
_EXEC_SECONDS = 60.0


def why_not() -> str | None:
    """Why the image can't be built here, or None."""
    needed = {"a Docker Engine": engine_for_tests(), CLIENT: which(CLIENT), "mmdebstrap": DEBOOTSTRAP}
    missing = [name for name, found in {**needed, "docker-registry": PROGRAM}.items() if not found]
    return f"{' and '.join(missing)} not installed: NOT BUILT" if missing else None


class Engine:
    """The command line of an engine."""

    def __init__(self, host: str) -> None:
        self._host = host

    def __call__(self, *words: str, timeout_seconds: float = 120.0) -> str:
        done = self.tried(*words, timeout_seconds=timeout_seconds)
        assert done.returncode == 0, f"docker {' '.join(words[:3])}: {(done.stdout + done.stderr).decode()[-3000:]}"
        return done.stdout.decode()

    def tried(self, *words: str, timeout_seconds: float = 120.0) -> "subprocess.CompletedProcess[bytes]":
        command = [CLIENT, "--host", self._host, *words]
        return subprocess.run(command, capture_output=True, timeout=timeout_seconds, check=False)


def make_python_base(engine: Engine, registry: str, folder: Path) -> str:
    """Make the base image; gives it by digest."""
    assert DEBOOTSTRAP is not None
    folder.mkdir(parents=True)
    left_out = [f"--dpkgopt=path-exclude={each}" for each in _LEFT_OUT]
    archive, name = folder / "base.tar", f"{registry.removeprefix('http://')}/python"
    command = [DEBOOTSTRAP, "--quiet", "--variant=apt", f"--include={_PACKAGES}", *left_out, _release(), str(archive)]
    subprocess.run(command, check=True, timeout=900, capture_output=True)
    engine("import", str(archive), "bootstrapped")
    archive.unlink()
    shutil.copy(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"), folder / "trusted.crt")
    settings = "\n".join(path.read_text() for path in _SETTINGS_OF_PIP if path.is_file())
    (folder / "pip.conf").write_text(settings)
    (folder / "Dockerfile").write_text(_TRUST)
    engine("build", "--tag", f"{name}:base", str(folder))
    engine("push", f"{name}:base")
    return engine("inspect", "--format", "{{index .RepoDigests 0}}", f"{name}:base").strip()


def build_by_the_pipeline(host: str, base: str, folder: Path) -> BuiltImage:
    """Build as the stage `image` of `deploy/own/shopkart.yaml` does, on a copy of what git has."""
    service = load(ROOT / "deploy" / "own" / "shopkart.yaml", home=folder).services["pipeline"]
    folder.mkdir()
    tree, archive = folder / "tree", folder / "tree.tar"
    subprocess.run(["git", "archive", "--output", str(archive), "HEAD"], cwd=ROOT, check=True, timeout=60)
    with tarfile.open(archive) as files:
        files.extractall(tree, filter="data")
    request = ImageRequest(
        service=replace(service, workload=replace(service.workload, base_image=base)),
        tree=tree,
        application=folder,
        labels=LABELS,
        created_at=COMMITTED_AT,
        layout=folder / "layout",
        log=folder / "image.log",
        timeout_seconds=1800.0,
    )
    built = DockerEngineBuilder(folder / "layers", host).build(request)
    assert isinstance(built, BuiltImage), f"{built}: {request.log.read_text()[-4000:]}"
    return built


def _release() -> str:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)["VERSION_CODENAME"].strip('"')


@dataclass(frozen=True)
class Surroundings:
    """What the pods of an installation find."""

    folder: Path
    """Where their volumes are."""
    image: str
    instance: Path
    """A folder with the files of the ConfigMap of that name."""
    token: Path
    """A folder with what a pod has to reach the cluster's API."""
    secrets: Mapping[str, Mapping[str, str]]
    """Variables, by the name of their Secret."""
    api: Mapping[str, str]
    """Where the cluster's API is, as every pod's environment says it."""


class Pod:
    """The container of a Deployment or Job, made and not started yet."""

    def __init__(self, engine: Engine, around: Surroundings, workload: Mapping[str, Any]) -> None:
        self._engine, self._around = engine, around
        self._pod = workload["spec"]["template"]["spec"]
        [self._container] = self._pod["containers"]
        self.name = str(self._container["name"])
        variables = self._variables()
        told = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
        # What `$(NAME)` stands for in a command is filled in by kubelet.
        program, *arguments = (re.sub(r"\$\((\w+)\)", lambda m: variables[m[1]], w) for w in self._container["command"])
        start = ("--entrypoint", program, around.image, *arguments)
        self.id = engine("create", *self._rights(), *told, *self._volumes(), *start).strip()

    def start(self) -> float:
        """Start it and wait until its startup probe succeeds; gives the seconds that took."""
        began = time.monotonic()
        self._engine("start", self.id)
        probe = self._container["startupProbe"]
        deadline = began + probe["periodSeconds"] * probe["failureThreshold"]
        while not self.answers("startupProbe"):
            assert self.is_running(), f"{self.name} ended: {self.words()}"
            assert time.monotonic() < deadline, f"{self.name} does not start: {self.words()}"
            time.sleep(0.2)
        return time.monotonic() - began

    def answers(self, name: str) -> bool:
        """Ask one of its probes; one that it does not have succeeds, as it does to kubelet."""
        probe: Mapping[str, Any] = self._container.get(name, {})
        match probe:
            case {"httpGet": {"path": str() as path}, "timeoutSeconds": seconds}:
                try:
                    return httpx.get(f"http://127.0.0.1:{self._port}{path}", timeout=seconds).is_success
                except httpx.TransportError:
                    return False
            case {"tcpSocket": _, "timeoutSeconds": seconds}:
                with socket.socket() as line:
                    line.settimeout(seconds)
                    return line.connect_ex(("127.0.0.1", self._port)) == 0
            case {"grpc": {"port": port, "service": service}, "timeoutSeconds": seconds}:
                with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                    asked = health_pb2.HealthCheckRequest(service=service)
                    try:
                        answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=seconds)
                    except grpc.RpcError:
                        return False
                    return answer.status == health_pb2.HealthCheckResponse.SERVING
            case {"exec": {"command": command}}:
                return self._engine.tried("exec", self.id, *command, timeout_seconds=_EXEC_SECONDS).returncode == 0
            case _:
                assert not probe, probe
                return True

    @property
    def _port(self) -> int:
        return int(self._container["ports"][0]["containerPort"])

    def is_running(self) -> bool:
        return self._engine("inspect", "--format", "{{.State.Running}}", self.id).strip() == "true"

    def words(self) -> str:
        """What it has said."""
        done = self._engine.tried("logs", self.id)
        return (done.stdout + done.stderr).decode()[-4000:]

    def written(self) -> list[str]:
        """What it changed outside of its volumes. Where a volume is mounted the engine has made a
        folder."""
        changed = [line[2:] for line in self._engine("diff", self.id).splitlines()]
        mounted = [f"{each['mountPath']}/" for each in self._container["volumeMounts"]]
        made = [f"{_TOKEN.removeprefix('/var')}/", *mounted]
        return [path for path in changed if not any(place.startswith(f"{path}/") for place in made)]

    def ended(self) -> int:
        """Start it and wait until it ends; gives its exit code."""
        self._engine("start", self.id)
        return int(self._engine("wait", self.id, timeout_seconds=600.0))

    def stop(self) -> int:
        """End it as kubelet does; gives its exit code."""
        self._engine("stop", "--time", str(self._pod["terminationGracePeriodSeconds"]), self.id)
        return int(self._engine("inspect", "--format", "{{.State.ExitCode}}", self.id))

    def remove(self) -> None:
        self._engine("rm", "--force", "--volumes", self.id)

    def _rights(self) -> list[str]:
        pod, own = self._pod["securityContext"], self._container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        return [
            *(["--read-only"] if own["readOnlyRootFilesystem"] else []),
            *("--user", f"{pod['runAsUser']}:{pod['runAsGroup']}", "--group-add", str(pod["fsGroup"])),
            *[word for each in own["capabilities"]["drop"] for word in ("--cap-drop", each)],
            *("--security-opt", "no-new-privileges", "--network", "host"),
            *[word for service in objects("Service") for word in ("--add-host", f"{service}:127.0.0.1")],
            *("--memory", self._container["resources"]["limits"]["memory"].replace("Mi", "m").replace("Gi", "g")),
        ]

    def _variables(self) -> dict[str, str]:
        given: dict[str, str] = {**self._around.api}
        for each in self._container["envFrom"]:
            if "configMapRef" in each:
                given |= objects("ConfigMap")[each["configMapRef"]["name"]]["data"]
            else:
                given |= self._around.secrets[each["secretRef"]["name"]]
        given |= {each["name"]: each["value"] for each in self._container.get("env", [])}
        return given

    def _volumes(self) -> list[str]:
        group, words = self._pod["securityContext"]["fsGroup"], list[str]()
        volumes = {each["name"]: each for each in self._pod["volumes"]}
        for mount in self._container["volumeMounts"]:
            match volumes[mount["name"]]:
                case {"configMap": {"name": name}}:
                    assert mount["readOnly"] is True
                    source = self._around.instance / mount.get("subPath", "")
                    if name != "shopkart-instance":
                        source = _volume(self._around.folder / name, group, 0o755)
                    words += ["--volume", f"{source}:{mount['mountPath']}:ro"]
                case {"persistentVolumeClaim": {"claimName": claim}}:
                    words += ["--volume", f"{_volume(self._around.folder / claim, group, 0o2775)}:{mount['mountPath']}"]
                case {"name": name, "emptyDir": _}:
                    place = self._around.folder / f"{self.name}-{name}"
                    words += ["--volume", f"{_volume(place, group, 0o2777)}:{mount['mountPath']}"]
                case other:
                    raise AssertionError(other)
        if self._pod["automountServiceAccountToken"]:
            words += ["--volume", f"{self._around.token}:{_TOKEN}:ro"]
        return words


def _volume(place: Path, group: int, mode: int) -> Path:
    """A volume as kubelet gives it to a pod with an `fsGroup`."""
    place.mkdir(exist_ok=True)
    os.chown(place, 0, group)
    place.chmod(mode)
    return place
