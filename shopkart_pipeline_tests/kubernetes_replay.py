"""Replays the recordings of a real Kubernetes 1.36.2 against the emulator: the same requests at the same times.

What is compared leaves out what no two clusters share: uids, versions, revisions, times, generated names, managed
fields. Names that come from a template's hash are replaced by what the template is about."""

import functools
import json
import lzma
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.fakes.kubernetes_server import Behaviour, KubernetesWorld, running_kubernetes, step
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import POD, RESOURCES

_FILE = Path(__file__).parent / "samples" / "kubernetes" / "recordings-1.36.json.xz"
_STEP_SECONDS = 0.1
_POLICY = (
    "ValidatingAdmissionPolicy 'digest-only' with binding 'digest-only' denied request: images must be named by digest"
)
_MISSING = f"127.0.0.1:5999/none@sha256:{'0' * 64}"
_PULL_ERROR = (
    f'failed to pull and unpack image "{_MISSING}": failed to resolve reference "{_MISSING}": failed to do request: '
    f'Head "http://127.0.0.1:5999/v2/none/manifests/sha256:{"0" * 64}": '
    "dial tcp 127.0.0.1:5999: connect: connection refused"
)
_HIDDEN = {"uid", "resourceVersion", "creationTimestamp", "managedFields", "lastUpdateTime", "lastTransitionTime"}
_HIDDEN |= {"clusterIP", "clusterIPs", "deletionTimestamp", "containerID", "imageID", "allocatedResources"}
_HIDDEN |= {"podIP", "podIPs", "startTime", "startedAt", "finishedAt"}
_HIDDEN |= {"deployment.kubernetes.io/revision"}  # Two applies within 20 ms may or may not be seen one by one.

Document = dict[str, Any]


@functools.cache
def recordings() -> Mapping[str, list[Document]]:
    """Lines of each recording, by its name."""
    return json.loads(lzma.decompress(_FILE.read_bytes()))


@dataclass
class Replayed:
    """One recording beside what the emulator did."""

    recorded: list[Document]
    lines: list[Document] = field(default_factory=list[Document])
    """What the emulator answered and what a watch of it showed, as a recording has it."""


@functools.cache
def replay() -> Mapping[str, Replayed]:
    """All recordings one after the other, as they were made, on one cluster."""
    world = KubernetesWorld(FixedClock(datetime(2026, 11, 23, 2, 23, 50, 400000, tzinfo=UTC)))
    world.add_namespace("rec")
    world.behave(Behaviour(stop_seconds=None), image="docker.io/shop/web")
    world.behave(Behaviour(exit_code=3, log="boom\n"), command="exit 3")
    world.behave(Behaviour(pull_error=_PULL_ERROR), image="127.0.0.1:5999/none")
    world.users["limited"] = type(world.users[world.token])("system:serviceaccount:rec:default", lambda *what: False)
    done: dict[str, Replayed] = {}
    with running_kubernetes(world, step_seconds=None) as address, httpx.Client(base_url=address) as client:
        for name, recorded in recordings().items():
            _let_pass(world, (_began(recorded) - world.now()).total_seconds())
            done[name] = _Replay(world, client, recorded).run()
    return done


def answers(lines: list[Document]) -> list[tuple[str, int, Any]]:
    """Requests with what matters of their answers. What a cluster was just doing (status) is left to the watches,
    except where it was read."""
    told: list[tuple[str, int, Any]] = []
    names = template_names(lines)
    for line in lines:
        if "request" in line and "admissionregistration" not in line["request"]["path"]:
            request, response = line["request"], line["response"]
            body = json.loads(_named(json.dumps(response["body"]), names))
            if body.get("kind") != "Status" and request["method"] != "GET":
                body.pop("status", None)
            if "watch=1" in request["path"]:
                body = json.loads(response["body"]["text"].split("\n")[0][:60].split(',"apiVersion"')[0] + "}}")
            for name in ("allocatedResources", "resources"):
                if isinstance(body.get("status"), dict):
                    body["status"].pop(name, None)
            path = re.sub(r"pods/[^/?]+", "pods/*", request["path"])
            told.append((f"{request['method']} {path}", response["status"], _essence(body)))
    return told


def scalings(lines: list[Document]) -> list[str]:
    """What the deployment controller did, in its own words."""
    names, counts, told = template_names(lines), dict[str, int](), list[str]()
    for event in _events(lines, "Event"):
        event_name, message = event["object"]["metadata"]["name"], event["object"]["message"]
        message = message.removeprefix("(combined from similar events): ")
        if event["object"]["reason"] == "ScalingReplicaSet":
            counts[event_name] = counts.get(event_name, 0) + 1
            told.append(_named(message, names))
    return told


def conditions(lines: list[Document]) -> list[str]:
    """The conditions that the Deployment went through."""
    told: list[str] = []
    for event in _events(lines, "Deployment"):
        found = event["object"].get("status", {}).get("conditions", [])
        state = sorted(f"{each['type']}={each['status']} {each['reason']}" for each in found)
        if state and (not told or told[-1] != "; ".join(state)):
            told.append("; ".join(state))
    return told


def pod_lives(lines: list[Document]) -> list[list[str]]:
    """What each pod that was made in a recording went through, sorted. A container that is ready at once may or may
    not be seen before."""
    lives: dict[str, list[str]] = {}
    for event in _events(lines, "Pod"):
        pod = event["object"]
        name, status = pod["metadata"]["name"], pod["status"]
        if event["type"] == "ADDED":
            lives[name] = []
        if name in lives:
            states = [next(iter(each["state"].items())) for each in status.get("containerStatuses", [])]
            shown = [f"{kind} {about.get('reason', '')}{about.get('exitCode', '')}" for kind, about in states]
            ready = [each["status"] for each in status.get("conditions", []) if each["type"] == "Ready"]
            leaving = ["terminating"] if "deletionTimestamp" in pod["metadata"] else []
            gone = ["gone"] if event["type"] == "DELETED" else []
            life = " ".join([status["phase"], *shown, *ready, *leaving, *gone])
            if lives[name] and lives[name][-1] == "Running running  False" and life == "Running running  True":
                lives[name].pop()
            if not lives[name] or lives[name][-1] != life:
                lives[name].append(life)
    return sorted(lives.values())


def endpoints(lines: list[Document]) -> list[tuple[int, int, int]]:
    """How many endpoints were ready, serving and terminating, one state after the other."""
    told: list[tuple[int, int, int]] = []
    for event in _events(lines, "EndpointSlice"):
        found = [each["conditions"] for each in event["object"].get("endpoints") or []]
        counts = [sum(each[name] for each in found) for name in ("ready", "serving", "terminating")]
        if not told or told[-1] != tuple(counts):
            told.append((counts[0], counts[1], counts[2]))
    return told


def told_events(lines: list[Document]) -> set[tuple[str, ...]]:
    """Events by what they are about, who tells them and what they say."""
    names, told = template_names(lines), set[tuple[str, ...]]()
    for each in _events(lines, "Event"):
        event = each["object"]
        message = re.sub(r"10\.244\.\d+\.\d+", "IP", _named(event["message"], names))
        about, teller = event["involvedObject"], event["source"].get("component") or event["reportingComponent"]
        told.add((about["kind"], about.get("fieldPath", ""), teller, event["type"], event["reason"], message))
    return told


def template_names(lines: list[Document]) -> dict[str, str]:
    """Names of ReplicaSets, with what their templates are about."""
    names: dict[str, str] = {}
    for event in _events(lines, "ReplicaSet"):
        container = event["object"]["spec"]["template"]["spec"]["containers"][0]
        cpu = container.get("resources", {}).get("requests", {}).get("cpu")
        about = f"{container['image']} {' '.join(container.get('command', []))} {cpu}"
        names[event["object"]["metadata"]["name"]] = f"<{about}>"
    return names


def _events(lines: list[Document], kind: str) -> Iterator[Document]:
    for line in lines:
        if "watch" in line and line["event"]["object"]["kind"] == kind:
            yield line["event"]


def _named(text: str, names: Mapping[str, str]) -> str:
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID", text)
    for name, about in names.items():
        text = re.sub(rf"{name}-\w{{5}}", f"{about}-*", text).replace(name, about)
        text = text.replace(name.rsplit("-", 1)[-1], "#")
    return re.sub(r"web-[a-z0-9]{8,10}-\w{5}", "web-*-*", text)


def _essence(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _essence(inner) for name, inner in value.items() if name not in _HIDDEN}
        return {name: inner for name, inner in kept.items() if inner not in ({}, [], None)}
    if isinstance(value, list):
        return sorted((_essence(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    return value


def _began(lines: list[Document]) -> datetime:
    """When a recording began, by what was created in it."""
    found: list[datetime] = []
    for line in lines:
        made = line["event"]["object"] if line.get("event", {}).get("type") == "ADDED" else line.get("response", {})
        made = made.get("body", made) if line.get("response", {}).get("status", 201) == 201 else {}
        stamp = made.get("metadata", {}).get("creationTimestamp")
        if stamp is not None:
            found.append(datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S%z") - timedelta(seconds=line["t"]))
    return max(found, default=datetime.min.replace(tzinfo=UTC))


def _let_pass(world: KubernetesWorld, seconds: float) -> None:
    """Requests that came close together met no controller in between."""
    if 0 < seconds < _STEP_SECONDS / 2:
        world.clock.sleep(seconds)
        return
    while seconds > 1e-6:
        world.clock.sleep(min(_STEP_SECONDS, seconds))
        seconds -= _STEP_SECONDS
        step(world)


class _Replay:
    """Of one recording."""

    def __init__(self, world: KubernetesWorld, client: httpx.Client, recorded: list[Document]) -> None:
        self._world, self._client = world, client
        self._done = Replayed(recorded)
        self._since = world.store.version

    def run(self) -> Replayed:
        begun = self._world.now()
        ends = max(line["t"] for line in self._done.recorded)
        for line in self._done.recorded:
            passed = (self._world.now() - begun).total_seconds()
            if "request" in line:
                _let_pass(self._world, line["t"] - passed)
                self._watch()
                self._ask(line)
                self._watch()
        _let_pass(self._world, max(0.0, ends - (self._world.now() - begun).total_seconds()) + 0.5)
        self._watch()
        return self._done

    def _ask(self, line: Document) -> None:
        request, body = line["request"], line["request"]["body"]
        path, wanted = self._translated(request["path"]), line["response"]["status"]
        if "admissionregistration" in path:
            self._admission(request["method"])
            self._done.lines.append(line)
            return
        limited = wanted == 403 or "selfsubject" in path
        token = "limited" if limited else "wrong" if wanted == 401 else self._world.token
        headers = {"Authorization": f"Bearer {token}", "User-Agent": "python-requests/2.32"}
        headers |= {"Content-Type": request["contentType"]}
        if isinstance(body, dict) and request["method"] == "PUT" and "uid" in body.get("metadata", {}):
            body = self._present(path, body)
        content = None if body is None else json.dumps(body).encode()
        got = self._client.request(request["method"], path, content=content, headers=headers)
        is_json = got.headers["content-type"].startswith("application/json") and "watch" not in path
        answer = got.json() if is_json else {"text": got.text}
        told = {"status": got.status_code, "headers": dict(got.headers), "body": answer}
        self._done.lines.append({"t": line["t"], "request": {**request, "path": path}, "response": told})

    def _present(self, path: str, body: Document) -> Document:
        """A replacement names the object as it was read; only a version of 1 was meant to be stale."""
        kind = next(each for each in RESOURCES if path.split("/")[-2] == each.plural)
        live = self._world.find(kind, "rec", body["metadata"]["name"])["metadata"]
        metadata = {**body["metadata"], "uid": live["uid"]}
        if metadata["resourceVersion"] != "1":
            metadata["resourceVersion"] = live["resourceVersion"]
        return {**body, "metadata": metadata}

    def _translated(self, path: str) -> str:
        """The pod here that does what the recorded one did."""
        found = re.search(r"/pods/([^/?]+)", path)
        if found is None:
            return path
        pods = self._world.list(POD, "rec")
        crashed = [pod for pod in pods if "command" in pod["spec"]["containers"][0]]
        leaving = [pod for pod in pods if "deletionTimestamp" in pod["metadata"]]
        chosen = leaving if path.endswith("eviction") else crashed
        return path.replace(found[1], chosen[0]["metadata"]["name"])

    def _admission(self, method: str) -> None:
        def refuse(operation: str, resource: Any, document: Document) -> str | None:
            del operation
            if resource.kind != "Deployment":
                return None
            images = [each["image"] for each in document["spec"]["template"]["spec"]["containers"]]
            return None if all("@sha256:" in image for image in images) else _POLICY

        self._world.admission[:] = [refuse] if method == "POST" else []

    def _watch(self) -> None:
        """What a watch of everything would have shown."""
        history = self._world.store.history
        for change in history:
            if change.version > self._since:
                event = {"type": change.type, "object": change.document}
                self._done.lines.append({"t": 0.0, "watch": change.resource.plural, "event": event})
        self._since = self._world.store.version
