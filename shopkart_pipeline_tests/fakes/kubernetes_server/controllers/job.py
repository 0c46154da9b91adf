"""Jobs that run one pod to its end: begun, failed at once or replaced after a disruption, ended at their deadline, and
removed when their time is over.

Not emulated: several completions, back-off between attempts, indexes, suspension, success policies, exit codes in a pod
failure policy, the finalizer by which pods are counted, and the selector that the server makes."""

from datetime import timedelta

from shopkart_pipeline_tests.fakes.kubernetes_server import crud, deletion
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.events import tell
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.replicaset import is_active, is_ready
from shopkart_pipeline_tests.fakes.kubernetes_server.ownership import Manager
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document, Refusal
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import JOB, POD
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_SELF = Manager("kube-controller-manager", "Update", "v1")
_RETRY_SECONDS = 1.0
_OVERDUE = "Job was active longer than specified deadline"
_TOO_OFTEN = "Job has reached the specified backoff limit"


def reconcile(world: KubernetesWorld) -> None:
    for job in world.store.all(JOB):
        if "deletionTimestamp" in job["metadata"]:
            continue
        if _ended(job):
            _forget(world, job)
        else:
            _go_on(world, job)


def _ended(job: Document) -> bool:
    conditions = job["status"].get("conditions", [])
    return any(each["type"] in ("Complete", "Failed") and each["status"] == "True" for each in conditions)


def _go_on(world: KubernetesWorld, job: Document) -> None:
    pods = [document for resource, document in world.store.with_owner(job["metadata"]["uid"]) if resource is POD]
    living = [pod for pod in pods if pod["status"]["phase"] not in ("Failed", "Succeeded")]
    succeeded = [pod for pod in pods if pod["status"]["phase"] == "Succeeded"]
    failed = [pod for pod in pods if pod["status"]["phase"] == "Failed" and not _is_ignored(job, pod)]
    began = job["status"].get("startTime") or world.stamp()
    status: Document = {**job["status"], "startTime": began, "uncountedTerminatedPods": {}}
    if world.seconds_since(began) >= job["spec"].get("activeDeadlineSeconds", float("inf")):
        _end_pods(world, living)
        if not living:
            status |= _over(world, "Failed", "DeadlineExceeded", _OVERDUE)
    elif succeeded and not living:
        status |= _over(world, "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
        status["completionTime"] = world.stamp()
    elif len(failed) > job["spec"]["backoffLimit"] and not living:
        status |= _over(world, "Failed", "BackoffLimitExceeded", _TOO_OFTEN)
    elif not living and not succeeded:
        living = _make(world, job)
    counts = {
        "active": sum(map(is_active, living)),
        "ready": sum(map(is_ready, living)),
        "succeeded": len(succeeded),
        "failed": len(failed),
    }
    status |= {name: count for name, count in counts.items() if count or name in status}
    changed = copied(job)
    changed["status"] = status
    world.store.update(JOB, changed)


def _is_ignored(job: Document, pod: Document) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    rules = job["spec"].get("podFailurePolicy", {}).get("rules", [])
    return any(
        rule["action"] == "Ignore"
        and any(conditions.get(each["type"]) == each["status"] for each in rule.get("onPodConditions", []))
        for rule in rules
    )


def _end_pods(world: KubernetesWorld, pods: list[Document]) -> None:
    for pod in pods:
        if "deletionTimestamp" not in pod["metadata"]:
            deletion.delete(world, POD, pod["metadata"]["namespace"], pod["metadata"]["name"], {})


def _over(world: KubernetesWorld, kind: str, reason: str, message: str) -> Document:
    met = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
    told = {"status": "True", "reason": reason, "message": message}
    told |= {"lastProbeTime": world.stamp(), "lastTransitionTime": world.stamp()}
    return {"conditions": [{"type": met, **told}, {"type": kind, **told}]}


def _make(world: KubernetesWorld, job: Document) -> list[Document]:
    metadata, retries = job["metadata"], world.memory.setdefault("job retries", {})
    due = retries.get(metadata["uid"])
    if due is not None and world.now() < due:
        return []
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
    pod = copied(job["spec"]["template"])
    pod["metadata"] |= {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]}
    pod["metadata"]["ownerReferences"] = [{**owner, "controller": True, "blockOwnerDeletion": True}]
    named = {"controller-uid": metadata["uid"], "job-name": metadata["name"]}
    known = {**named, **{f"batch.kubernetes.io/{name}": value for name, value in named.items()}}
    pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), **known}
    try:
        made = crud.create(world, POD, metadata["namespace"], pod, _SELF)
    except Refusal as refusal:
        told = f"Error creating: {refusal.document['message']}"
        tell(world, job, "job-controller", "FailedCreate", told, warning=True)
        retries[metadata["uid"]] = world.now() + timedelta(seconds=_RETRY_SECONDS)
        return []
    tell(world, job, "job-controller", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
    return [made]


def _forget(world: KubernetesWorld, job: Document) -> None:
    kept = job["spec"].get("ttlSecondsAfterFinished")
    ended = job["status"]["conditions"][-1]["lastTransitionTime"]
    if kept is not None and world.seconds_since(ended) >= kept:
        options = {"propagationPolicy": "Background"}
        deletion.delete(world, JOB, job["metadata"]["namespace"], job["metadata"]["name"], options)
