"""The inventory is true of `deploy/terraform`, and an amount is never made up."""

import json
import re
import shutil
from pathlib import Path

import pytest

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.services.render_inventory import ROOTS, called_folders, items, render_inventory
from shopkart_pipeline_tests.terraform_tree import FOLDERS, MODULES, TERRAFORM, blocks

PAGE = TERRAFORM.parents[1] / "docs" / "production-inventory.md"
COST = {
    "aws_cloudfront_distribution", "aws_cloudwatch_metric_alarm", "aws_db_instance", "aws_ecr_repository",
    "aws_eks_cluster", "aws_eks_node_group", "aws_elasticache_replication_group", "aws_nat_gateway", "aws_s3_bucket",
    "aws_vpc_endpoint", "aws_wafv2_web_acl",
}  # fmt: skip
"""What AWS asks money for by itself; keys and secrets are counted where the modules are called."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "terraform"
    shutil.copytree(TERRAFORM, folder)
    return folder


def write_prices(tree: Path, **prices: float) -> None:
    document = {"currency": "USD", "source": "a list", "date": "2026-01-01", "prices": prices}
    (tree / "prices.json").write_text(json.dumps(document))


def test_the_page_is_what_the_tree_gives() -> None:
    assert PAGE.read_text() == render_inventory(TERRAFORM), "call shopkart iac inventory"


def test_every_module_is_part_of_production() -> None:
    assert set(MODULES) <= set(called_folders(TERRAFORM / "production"))
    assert {folder.name for folder in MODULES} - {each.name for each in called_folders(TERRAFORM / "staging")} == {
        "ecr", "github", "iam", "storage",
    }  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_costs_is_listed_and_what_is_listed_is_there(folder: Path) -> None:
    listed = {entry["resource"] for entry in json.loads((folder / "inventory.json").read_text())}
    resources = {each.address for each in blocks(folder, "resource")}
    assert listed <= resources | {f"module.{each.address}" for each in blocks(folder, "module")}
    types = {each.partition(".")[0] for each in listed}
    assert {each.partition(".")[0] for each in resources} & COST <= types


def test_numbers_that_are_written_are_those_of_the_code() -> None:
    network = next(folder for folder in MODULES if folder.name == "network")
    [endpoints] = [each for each in blocks(network, "variable") if each.labels == ("interface_endpoints",)]
    assert len(re.findall(r'"[a-z.0-9-]+"', endpoints.body.partition("default")[2])) * 3 == 33
    [names] = blocks(TERRAFORM / "modules" / "environment", "locals")
    assert len(re.findall(r"\{ description", names.body)) + 1 == 6
    [alarms] = blocks(TERRAFORM / "modules" / "monitoring", "locals")
    assert alarms.body.count("namespace =") == 4


@pytest.mark.parametrize("root", ROOTS)
def test_counts_are_positive_and_sizes_come_from_the_root(root: str) -> None:
    found = list(items(TERRAFORM, root))
    assert len(found) > 15
    assert all(each.count > 0 for each in found)
    sizes = json.loads((TERRAFORM / root / "sizes.auto.tfvars.json").read_text())
    [database] = [each for each in found if each.name == "PostgreSQL in two zones"]
    assert database.size == sizes["database"]["instance_class"]


def test_without_prices_there_is_no_amount_and_that_is_said() -> None:
    page = render_inventory(TERRAFORM)
    assert "No prices are given" in page
    assert not re.search(r"\d\.\d\d \|", page)


def test_a_price_gives_an_amount_and_the_sum_says_how_much_of_it_is_known(tree: Path) -> None:
    write_prices(tree, nat_gateway=0.5, ebs_gp3_gigabyte_month=0.25, log_gigabyte=9.0)
    production = render_inventory(tree).partition("## Staging")[0]
    # 3 NAT gateways for 730 hours; 3 disks of 50 GB and 2 of 100 GB; logs depend on use.
    assert "| 1,095.00 |" in production
    assert "| 37.50 |" in production
    assert "| 50.00 |" in production
    assert re.search(r"\*\*3 of \d+ that have a price\*\* \| \| \| \| \*\*1,182\.50\*\*", production)
    assert "as of 2026-01-01 (a list): check them before use" in production


def test_prices_without_source_or_date_are_refused(tree: Path) -> None:
    document = {"currency": "USD", "source": "", "date": "2026-01-01", "prices": {"alb": 1.0}}
    (tree / "prices.json").write_text(json.dumps(document))
    with pytest.raises(PipelineError, match="without a source"):
        render_inventory(tree)


def test_a_size_that_is_not_there_is_an_error(tree: Path) -> None:
    file = tree / "production" / "sizes.auto.tfvars.json"
    file.write_text(file.read_text().replace("nat_gateways", "nat_gateway_count"))
    with pytest.raises(PipelineError, match=r"network\.nat_gateways"):
        render_inventory(tree)
