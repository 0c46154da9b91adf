"""How `deploy/terraform` is laid out: what every module has, and that what is referred to is declared.

No tool takes part here; what Terraform and checkov say is in `test_terraform.py`.
"""

import json
import re
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._ecr_repository import LIFECYCLE
from shopkart_pipeline_tests.terraform_tree import (
    FOLDERS,
    MODULES,
    ROOTS,
    TERRAFORM,
    blocks,
    code,
    interface,
)

POLICIES = sorted((TERRAFORM / "modules").glob("*/policies/*.json"))
PROVIDERS = {"aws": "~> 6.0", "github": "~> 6.6", "helm": "~> 3.0", "random": "~> 3.7"}

each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(TERRAFORM)))
each_module = pytest.mark.parametrize("folder", MODULES, ids=lambda folder: folder.name)
each_root = pytest.mark.parametrize("folder", ROOTS, ids=lambda folder: folder.name)


def test_every_part_of_the_architecture_has_a_module() -> None:
    names = {folder.name for folder in MODULES}
    assert names == {
        "ecr", "edge", "eks", "environment", "github", "iam", "kms", "monitoring", "network", "rds", "redis", "secrets",
        "storage",
    }  # fmt: skip


@each_module
def test_a_module_explains_itself_its_inputs_and_its_outputs(folder: Path) -> None:
    readme = (folder / "README.md").read_text()
    assert readme.startswith(f"# {folder.name}\n\n")
    assert readme.endswith(interface(folder)), "call python -m shopkart_pipeline_tests.terraform_tree"
    assert blocks(folder, "output")


@each_folder
def test_every_input_has_a_type_and_every_input_and_output_a_description(folder: Path) -> None:
    for variable in blocks(folder, "variable"):
        assert {"description", "type"} <= variable.arguments, variable.labels
        assert variable.text("description"), variable.labels
    for output in blocks(folder, "output"):
        assert output.text("description"), output.labels


@each_folder
def test_every_input_is_used_and_every_reference_has_a_target(folder: Path) -> None:
    text, found = code(folder), blocks(folder)
    variables = {each.labels[0] for each in found if each.kind == "variable"}
    assert set(re.findall(r"\bvar\.(\w+)", text)) == variables
    resources = {each.address for each in found if each.kind == "resource"}
    data = {each.address for each in found if each.kind == "data"}
    assert set(re.findall(r"\bdata\.(\w+\.\w+)", text)) == data
    named = set(re.findall(r"(?<![.\w\"/:])((?:aws|github|helm|random)_\w+\.\w+)\b", text))
    assert named <= resources


@each_folder
def test_a_call_of_a_module_gives_what_it_needs_and_takes_what_it_tells(folder: Path) -> None:
    text = code(folder)
    calls = {each.labels[0]: each for each in blocks(folder, "module")}
    for name, call in calls.items():
        called = (folder / call.text("source")).resolve()
        wanted = blocks(called, "variable")
        given = call.arguments - {"source", "providers", "depends_on"}
        assert given <= {each.labels[0] for each in wanted}, name
        assert {each.labels[0] for each in wanted if "default" not in each.arguments} <= given, name
        told = {each.labels[0] for each in blocks(called, "output")}
        assert set(re.findall(rf"\bmodule\.{name}\.(\w+)", text)) <= told, name
    assert set(re.findall(r"\bmodule\.(\w+)\.", text)) <= set(calls)


@each_folder
def test_versions_are_constrained_alike_everywhere(folder: Path) -> None:
    text = (folder / "versions.tf").read_text()
    assert 'required_version = "~> 1.11"' in text
    constraints = dict(re.findall(r'^    (\w+) = \{\n +source += "[^"]+"\n +version += "([^"]+)"', text, re.MULTILINE))
    assert constraints == {name: PROVIDERS[name] for name in constraints}
    used = {each.labels[0].partition("_")[0] for each in blocks(folder) if each.kind in ("resource", "data")}
    assert used <= set(constraints)


@each_root
def test_the_state_is_remote_encrypted_and_locked(folder: Path) -> None:
    [settings] = blocks(folder, "terraform")
    [backend] = re.findall(r'backend "s3" \{(.*?)\n  \}', settings.body, flags=re.DOTALL)
    assert re.search(r"use_lockfile += true", backend)
    assert re.search(r"encrypt +?= true", backend)
    assert f'"{folder.name}/terraform.tfstate"' in backend


@each_root
def test_sizes_are_inputs_of_the_root_and_name_no_account(folder: Path) -> None:
    sizes = json.loads((folder / "sizes.auto.tfvars.json").read_text())
    assert set(sizes) <= {each.labels[0] for each in blocks(folder, "variable")}
    assert "account" not in sizes


def test_no_account_no_key_and_no_secret_is_written_down() -> None:
    files = [path for path in TERRAFORM.rglob("*") if path.is_file() and ".terraform" not in path.parts]
    assert len(files) > 80
    for path in files:
        text = path.read_text()
        assert set(re.findall(r"(?<!\d)\d{12}(?!\d)", text)) <= {"0" * 12}, path
        assert not re.search(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|BEGIN [A-Z ]*PRIVATE KEY", text), path


def test_no_password_goes_through_terraform_but_the_first_token_of_redis() -> None:
    for folder in MODULES:
        for block in blocks(folder, "resource"):
            told = block.arguments & {"password", "auth_token", "secret_string", "secret_binary", "master_password"}
            assert not told or block.address == "aws_elasticache_replication_group.this", block.address
    [database] = [each for each in blocks(TERRAFORM / "modules" / "rds") if each.address == "aws_db_instance.this"]
    assert "manage_master_user_password         = true" in database.body


def test_what_holds_data_is_protected_from_being_destroyed() -> None:
    kept = {"rds": ["aws_db_instance.this"], "kms": ["aws_kms_key.signing"], "storage": ["aws_s3_bucket.this"]}
    for module, addresses in kept.items():
        found = {each.address: each.body for each in blocks(TERRAFORM / "modules" / module, "resource")}
        for address in addresses:
            assert "prevent_destroy = true" in found[address], address
    assert "deletion_protection         = true" in code(TERRAFORM / "modules" / "rds") or re.search(
        r"deletion_protection +?= true", code(TERRAFORM / "modules" / "rds")
    )


def test_repositories_expire_what_the_pipeline_expires_and_keep_tags_from_moving() -> None:
    folder = TERRAFORM / "modules" / "ecr"
    assert json.loads((folder / "policies" / "lifecycle.json").read_text()) == json.loads(LIFECYCLE)
    text = code(folder)
    assert re.search(r'image_tag_mutability += "IMMUTABLE"', text)
    assert re.search(r"scan_on_push += true", text)


# Stars.


def statements(file: Path) -> list[dict[str, object]]:
    document = json.loads(file.read_text())
    return [each for each in document.get("Statement", []) if each["Effect"] == "Allow"]


def stars(statement: dict[str, object]) -> bool:
    """Whether an allowance names something by a star."""
    parts = [statement.get("Action", []), statement.get("Resource", [])]
    return "*" in json.dumps(parts)


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: f"{file.parts[-3]}/{file.stem}")
def test_every_star_in_a_policy_is_explained_where_the_policy_is(file: Path) -> None:
    readme = (file.parents[1] / "README.md").read_text()
    for statement in statements(file):
        assert statement["Sid"], statement
        if file.parts[-3] == "iam":
            assert not stars(statement) or f"`{statement['Sid']}`" in readme, statement["Sid"]
        elif stars(statement):
            assert re.search(r"\*`|[Ss]tars? in|by one prefix|of one prefix", readme), statement["Sid"]


def test_no_role_of_the_pipeline_may_do_everything_with_anything() -> None:
    for file in (TERRAFORM / "modules" / "iam" / "policies").glob("*.json"):
        for statement in statements(file):
            action = statement["Action"]
            for each in [action] if isinstance(action, str) else list(action):  # type: ignore[call-overload]
                assert "*" not in each, (file.name, each)
            if statement.get("Resource") == "*":
                assert statement["Sid"] in ("LogIn", "ReadEnhancedScans"), (file.name, statement["Sid"])


def test_stars_in_policies_written_in_hcl_have_a_comment_before_them() -> None:
    seen = 0
    for file in (TERRAFORM / "modules").glob("*/*.tf"):
        lines = file.read_text().splitlines()
        for number, line in enumerate(lines):
            if re.search(r'(?:Action|Resource) += "[^"]*\*[^"]*"', line):
                seen += 1
                assert lines[number - 1].strip().startswith("#"), f"{file.name}:{number + 1}"
    assert seen


def test_the_composition_and_the_roots_hold_no_resource_of_their_own() -> None:
    for folder in (TERRAFORM / "modules" / "environment", *ROOTS):
        assert blocks(folder, "resource") == []
