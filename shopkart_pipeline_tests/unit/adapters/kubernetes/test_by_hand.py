"""Which fields of a Deployment's pods are somebody else's, from documents as an API server gives them."""

from typing import Any

from shopkart_pipeline.adapters.kubernetes.by_hand import changed_by_hand


def a_deployment(*owners: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """With these owners of fields below the pods' specification."""
    told = [
        {"manager": who, "operation": "Update", "fieldsV1": {"f:spec": {"f:template": {"f:spec": fields}}}}
        for who, fields in owners
    ]
    containers = [{"name": "backend"}, {"name": "proxy"}]
    return {"metadata": {"managedFields": told}, "spec": {"template": {"spec": {"containers": containers}}}}


def of_container(name: str, **fields: Any) -> dict[str, Any]:
    return {"f:containers": {f'k:{{"name":"{name}"}}': {f"f:{field}": below for field, below in fields.items()}}}


def test_the_pipelines_own_fields_and_the_services_image_are_not_told() -> None:
    ours = of_container("backend", image={}, env={".": {}, 'k:{"name":"A"}': {".": {}, "f:value": {}}})
    assert changed_by_hand(a_deployment(("shopkart", ours), ("kubectl", of_container("backend", image={})))) is None


def test_another_containers_image_is_configuration() -> None:
    found = changed_by_hand(a_deployment(("kubectl", of_container("proxy", image={}))))
    assert found == "containers[proxy].image by kubectl"


def test_ports_are_named_by_number_and_many_fields_are_counted() -> None:
    port: dict[str, Any] = {'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, "f:name": {}}}
    found = changed_by_hand(
        a_deployment(
            ("kubectl-edit", of_container("backend", ports=port, args={}, resources={"f:limits": {"f:cpu": {}}})),
            ("reloader", {"f:hostNetwork": {}}),
        )
    )
    assert found == (
        "containers[backend].ports[8080/TCP] by kubectl-edit, containers[backend].args by kubectl-edit, "
        "containers[backend].resources.limits.cpu by kubectl-edit, and 1 more"
    )


def test_a_deployment_of_which_nothing_is_told_has_no_other_owner() -> None:
    assert changed_by_hand({"metadata": {"managedFields": None}, "spec": {}}) is None
