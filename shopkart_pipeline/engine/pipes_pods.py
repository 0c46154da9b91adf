"""Pods of steps by Dagster Pipes (`PipesK8sClient`), watched by ourselves.

Dagster's client makes the pod and tells it what to do. It does so in a thread of its own, since its requests have no
time limit; here the pod is looked at once a second, each time within seconds. What can't become well is told by its
reason as soon as that is sure: an image that can't be pulled for a minute, no node within the time to start, memory, an
eviction, the deadline, an API that has not answered for a minute. The pod is removed in every case.

What a pod writes is output of foreign code: it goes into the stage's log and nowhere else. Nothing in it is taken as a
message of Pipes, by which code could report materializations and checks.
"""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import kubernetes
from dagster import AssetExecutionContext, PipesMessageReader
from dagster._core.pipes.context import PipesMessageHandler  # Private: what the signature of a reader names.
from dagster_k8s import PipesK8sClient
from dagster_pipes import PipesDefaultMessageWriter, PipesParams, _make_message  # pyright: ignore[reportPrivateUsage]

from shopkart_pipeline.adapters.kubernetes.step_pod import STEP_LABEL, step_labels, step_pod_spec
from shopkart_pipeline.domain.step_pods import START_SECONDS, StepPodOrder, StepPodPlace
from shopkart_pipeline.engine.pod_output import PodOutput
from shopkart_pipeline.engine.pod_state import Ended, Waiting, look
from shopkart_pipeline.ports.step_pods import StepPods

_REQUEST_SECONDS = (5.0, 10.0)
"""To connect, and between two bytes."""
_API_PATIENCE_SECONDS = 60.0
_END_MARGIN_SECONDS = 60.0
_OUTPUT_SECONDS = 10.0
_LAST_SECONDS = 15.0


class PipesStepPods(StepPods):
    """Step pods of one run."""

    def __init__(
        self,
        context: AssetExecutionContext,
        place: StepPodPlace,
        *,
        kubeconfig: str | None = None,
        poll_seconds: float = 1.0,
        start_seconds: float = START_SECONDS,
        patience_seconds: float = _API_PATIENCE_SECONDS,
    ) -> None:
        """
        Args:
            context: of the step that the pods are for.
            place: where they are made.
            kubeconfig: a file that says how the cluster is reached; None inside of one.
            poll_seconds: from one look to the next.
            start_seconds: how long a pod may take to begin.
            patience_seconds: how long the API may be away, and an image not to be had.
        """
        self._context, self._place, self._kubeconfig = context, place, kubeconfig
        self._poll_seconds, self._start_seconds, self._patience_seconds = poll_seconds, start_seconds, patience_seconds

    def run(self, order: StepPodOrder, log: Path) -> str | None:
        core = self._api()
        making = _Making(self._context, self._place, order, self._kubeconfig)
        output = PodOutput(log)
        try:
            making.start()
            reason = self._watched(core, order, making, output)
            output.finish(_OUTPUT_SECONDS)
        finally:
            making.over.set()
            self._remove(core, order)
        making.join(_LAST_SECONDS)
        if output.tail:
            self._context.log.info("The last words of the stage's pod:\n%s", output.tail)
        return reason

    def _api(self) -> Any:
        client: Any = kubernetes.client
        load: Any = kubernetes.config
        configuration = client.Configuration()
        if self._kubeconfig is None:
            load.load_incluster_config(client_configuration=configuration)
        else:
            load.load_kube_config(self._kubeconfig, client_configuration=configuration)
        return client.CoreV1Api(client.ApiClient(configuration))

    def _watched(self, core: Any, order: StepPodOrder, making: "_Making", output: PodOutput) -> str | None:
        """Wait for the end; why it is a bad one, or None."""
        began = answered = time.monotonic()
        seen, stuck_since = False, None
        while True:
            now, seen = time.monotonic(), seen or making.made
            if now - began > self._start_seconds + order.seconds + _END_MARGIN_SECONDS:
                return f"it did not end within {order.seconds:.0f} s"
            try:
                pods = self._pods(core, order)
                answered = now
            except Exception as error:
                if now - answered > self._patience_seconds:
                    return f"the cluster's API has not answered for {self._patience_seconds:.0f} s ({_kind(error)})"
                pods = None
            if pods == [] and seen:
                return "somebody else removed it"
            if not pods:
                if making.failure:
                    return f"it can't be made: {making.failure}"
                if now - began > self._start_seconds:
                    return f"it was not made within {self._start_seconds:.0f} s"
                time.sleep(self._poll_seconds)
                continue
            seen, state = True, look(pods[0], order)
            match state:
                case Ended(reason):
                    output.follow(core, self._place.namespace, pods[0].metadata.name)
                    return reason
                case Waiting(reason, is_stuck):
                    stuck_since = (stuck_since or now) if is_stuck else None
                    if stuck_since is not None and now - stuck_since > self._patience_seconds:
                        return reason
                    if now - began > self._start_seconds:
                        return f"it did not start within {self._start_seconds:.0f} s: {reason}"
                case _:
                    output.follow(core, self._place.namespace, pods[0].metadata.name)
            time.sleep(self._poll_seconds)

    def _pods(self, core: Any, order: StepPodOrder) -> list[Any]:
        found = core.list_namespaced_pod(
            self._place.namespace, label_selector=f"{STEP_LABEL}={order.step}", _request_timeout=_REQUEST_SECONDS
        )
        return list(found.items)

    def _remove(self, core: Any, order: StepPodOrder) -> None:
        """A pod that can't be removed ends by itself: when its run is away, and at its deadline."""
        for _ in range(3):
            with suppress(Exception):
                for pod in self._pods(core, order):
                    core.delete_namespaced_pod(
                        pod.metadata.name, self._place.namespace, _request_timeout=_REQUEST_SECONDS
                    )
                return


class _Making(threading.Thread):
    """Dagster's client at work: it makes the pod, and waits until we say that it is over."""

    def __init__(
        self, context: AssetExecutionContext, place: StepPodPlace, order: StepPodOrder, kubeconfig: str | None
    ) -> None:
        super().__init__(name=f"pod of {order.step}", daemon=True)
        self._context, self._place, self._order = context, place, order
        self.over, self.made, self.failure = threading.Event(), False, ""
        self._client: Any = _Client(self, kubeconfig)

    def run(self) -> None:
        try:
            self._client.run(
                # Dagster's client still uses what is deprecated in the other one.
                context=self._context.op_execution_context,
                extras=dict(self._order.extras),
                namespace=self._place.namespace,
                base_pod_meta={"labels": step_labels(self._order.step)},
                base_pod_spec=step_pod_spec(self._place, self._order),
                delete_pod_on_completion=False,
            )
        except _Over:
            return
        except Exception as error:
            self.failure = self.failure or _why(error)


class _Over(Exception):
    """How the pod ended somebody else has seen: Dagster's client would look for it once more, and wait for one that was
    removed already."""


class _Client(PipesK8sClient):
    """Dagster's client, with ourselves in place of its waiting."""

    def __init__(self, making: _Making, kubeconfig: str | None) -> None:
        self._making, self._reader = making, _Deaf()
        super().__init__(
            message_reader=self._reader,
            load_incluster_config=True if kubeconfig is None else None,
            kubeconfig_file=kubeconfig,
            poll_interval=1.0,
        )

    @contextmanager
    def consume_pod_logs(self, *arguments: Any, **named: Any) -> Generator[None]:
        self._making.made = True
        self._reader.say("opened")
        self._making.over.wait()
        self._reader.say("closed")
        raise _Over
        yield  # Makes it a generator.


class _Deaf(PipesMessageReader):
    """Hears nothing of what a pod says in the name of Pipes, and says itself that it began and ended."""

    handler: PipesMessageHandler | None = None

    @property
    def expected_writer_count(self) -> int:
        return 1

    @contextmanager
    def read_messages(self, handler: PipesMessageHandler) -> Generator[PipesParams]:
        self.handler = handler
        yield {PipesDefaultMessageWriter.STDIO_KEY: PipesDefaultMessageWriter.STDERR}

    def say(self, method: Any) -> None:
        if self.handler is not None:
            self.handler.handle_message(_make_message(method, {"extras": {}} if method == "opened" else None))

    def no_messages_debug_text(self) -> str:
        return "The stage's pod was not made."


def _why(error: Exception) -> str:
    """What the API says of a refusal, without the words that it repeats."""
    if isinstance(error, kubernetes.client.ApiException):
        said: Any = error
        return f"{said.status} {said.reason}: {str(said.body)[:500]}"
    return f"{_kind(error)}: {str(error)[:300]}"


def _kind(error: Exception) -> str:
    return type(error).__name__
