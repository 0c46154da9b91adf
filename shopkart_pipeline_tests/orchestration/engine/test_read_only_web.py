"""The interface for auditors against everything that Dagster's interface can be asked to change.

The mutations are those of Dagster's own schema, all of them: one that a later version adds is tried too.
"""

import hashlib
import importlib
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

# Private, as in the module that is tested: a code location in this process.
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.schema import create_schema
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    is_leaf_type,
    parse,
    validate,
)

from shopkart_pipeline.engine.read_only_web import REFUSAL
from shopkart_pipeline.engine.web import web_app
from shopkart_pipeline.engine.web_options import WebOptions
from shopkart_pipeline_tests.orchestration.engine.homes import SAMPLE_DEFINITIONS

with warnings.catch_warnings():
    # It would rather have a client that is in no lock file yet.
    warnings.simplefilter("ignore")
    TestClient = importlib.import_module("starlette.testclient").TestClient

_SCHEMA = create_schema().graphql_schema
assert _SCHEMA.mutation_type is not None
MUTATIONS = dict(_SCHEMA.mutation_type.fields)
_SCALARS: dict[str, Any] = {"Int": 1, "Boolean": True, "Float": 1.0}
OPTIONS = WebOptions("127.0.0.1", 3003, ("127.0.0.1", "::1"), read_only=True)
SOCKET = "ws://127.0.0.1:3003/graphql"
ASSET = dg.AssetKey(["sample"])


@dataclass(frozen=True)
class Served:
    """The interface over a home with one run and one event."""

    client: Any
    instance: dg.DagsterInstance
    home: Path
    run_id: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        return self.client.post("/graphql", json={"query": query, "variables": variables}).json()

    def content(self) -> dict[str, str]:
        """Everything that the instance keeps, by file."""
        files = (path for path in self.home.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("read-only")
    origin = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name=SAMPLE_DEFINITIONS), location_name="sample")
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        run = instance.create_run_for_job(
            dg.GraphDefinition(name="nothing", node_defs=[]).to_job(), status=dg.DagsterRunStatus.STARTED
        )
        instance.report_runless_asset_event(dg.AssetMaterialization(ASSET))
        app, context = web_app(instance, InProcessWorkspaceLoadTarget([origin]), OPTIONS)
        with context, TestClient(app, "http://127.0.0.1:3003", raise_server_exceptions=False) as client:
            yield Served(client, instance, home, run.run_id)


def _least(kind: Any, run_id: str) -> Any:
    """The smallest value that a type takes."""
    kind = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    match kind:
        case GraphQLList():
            return [_least(kind.of_type, run_id)]
        case GraphQLInputObjectType():
            needed = {name: each for name, each in kind.fields.items() if isinstance(each.type, GraphQLNonNull)}
            return {name: _least(each.type, run_id) for name, each in needed.items()}
        case GraphQLEnumType():
            return next(iter(kind.values))
        case _:
            return _SCALARS.get(kind.name, run_id)


def _document(name: str, field: GraphQLField) -> tuple[str, dict[str, GraphQLArgument]]:
    needed = {each: argument for each, argument in field.args.items() if isinstance(argument.type, GraphQLNonNull)}
    declared = ", ".join(f"${each}: {argument.type}" for each, argument in needed.items())
    passed = ", ".join(f"{each}: ${each}" for each in needed)
    content = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
    if not needed:
        return f"mutation {{ {name}{content} }}", needed
    return f"mutation M({declared}) {{ {name}({passed}){content} }}", needed


def test_every_mutation_that_dagster_has_is_refused_and_changes_nothing(served: Served) -> None:
    before, answers = served.content(), dict[str, str]()

    for name, field in MUTATIONS.items():
        query, needed = _document(name, field)
        variables = {each: _least(argument.type, served.run_id) for each, argument in needed.items()}
        answer = served.client.post("/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 400
        assert answer.json()["data"] is None
        answers[name] = answer.json()["errors"][0]["message"]

    assert len(answers) >= 41
    assert set(answers.values()) == {REFUSAL}
    assert served.content() == before


def test_what_is_refused_is_what_dagsters_own_interface_takes() -> None:
    assert [
        (name, errors)
        for name, field in MUTATIONS.items()
        if (errors := validate(_SCHEMA, parse(_document(name, field)[0])))
    ] == []


@pytest.mark.parametrize(("method", "status"), [("get", 405), ("post", 415)])
def test_a_mutation_in_an_address_is_refused(served: Served, method: str, status: int) -> None:
    before = served.content()

    answer = served.client.request(method, "/graphql", params={"query": "mutation { setNuxSeen }"})

    assert answer.status_code == status
    assert served.content() == before


def test_a_mutation_over_the_websocket_is_refused(served: Served) -> None:
    before = served.content()
    query, _ = _document("setNuxSeen", MUTATIONS["setNuxSeen"])

    with served.client.websocket_connect(SOCKET, subprotocols=["graphql-ws"]) as socket:
        socket.send_json({"type": "start", "id": "1", "payload": {"query": query, "variables": {}}})
        answer = socket.receive_json()

    assert answer["type"] == "error"
    assert served.content() == before


@pytest.mark.parametrize("door", ["report_asset_materialization", "report_asset_check", "report_asset_observation"])
def test_nothing_can_be_reported(served: Served, door: str) -> None:
    before = served.content()

    answer = served.client.post(f"/{door}/sample", json={"asset_key": "sample", "check_name": "x", "passed": True})

    assert answer.status_code == 405
    assert served.content() == before


def test_no_notebook_is_read_from_a_path(served: Served) -> None:
    answer = served.client.get("/notebook", params={"path": "/etc/x.ipynb", "repoLocName": "sample"})

    assert "notebook" not in answer.text.lower().split("<script")[0]


@pytest.mark.parametrize("path", ["/logs/..%2f..%2fdagster/yaml", "/logs/%2fetc%2fx/y"])
def test_no_file_outside_of_the_captured_logs_is_read(served: Served, path: str) -> None:
    assert served.client.get(path).status_code in (404, 500)


def test_everything_is_shown(served: Served) -> None:
    runs = served.ask("{ runsOrError { ... on Runs { results { runId } } } }")
    permissions = served.ask("{ permissions { permission value } }")

    assert [run["runId"] for run in runs["data"]["runsOrError"]["results"]] == [served.run_id]
    assert not any(each["value"] for each in permissions["data"]["permissions"])
    assert "<html" in served.client.get("/assets").text


def test_runs_are_followed_over_the_websocket(served: Served) -> None:
    query = "subscription S($id: ID!) { pipelineRunLogs(runId: $id) { __typename } }"
    served.instance.report_engine_event("it goes on", run_id=served.run_id, job_name="nothing")

    with served.client.websocket_connect(SOCKET, subprotocols=["graphql-ws"]) as socket:
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json()["type"] == "connection_ack"
        socket.send_json({"type": "start", "id": "1", "payload": {"query": query, "variables": {"id": served.run_id}}})
        deadline = time.monotonic() + 10
        while (message := socket.receive_json())["type"] != "data":
            assert time.monotonic() < deadline

    assert message["payload"]["data"]["pipelineRunLogs"]["__typename"] == "PipelineRunLogsSubscriptionSuccess"
