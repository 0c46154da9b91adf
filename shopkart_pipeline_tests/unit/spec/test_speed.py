"""Validation answers at once, and thousands of services are no reason to wait."""

import subprocess
import sys
import time
from pathlib import Path

from shopkart_pipeline_tests.unit.spec.declarations import pipeline_of

HEAD = """\
version: 1
defaults:
  owners: [team:shop]
  source: {repository: shopkart/shop, path: "services/{service}"}
  environments: {production: {approvals: {approvers: [maya@shopkart.example]}}}
services:
"""
SERVICE = """\
  service-%d:
    workload:
      command: [python, -m, service]
      variables: {REDIS_URL: "{redis_url}", DATABASE_URL: "{database_url}"}
    stages:
      unit_tests: {timeout: 5m}
      contract_tests: {command: [make, contract]}
    gates: {quality: {new_coverage_percent: {at_least: 85}}}
    environments: {production: {replicas: 3}}
"""


def test_a_thousand_services_load_in_seconds(tmp_path: Path) -> None:
    text = HEAD + "".join(SERVICE % number for number in range(1000))
    began = time.process_time()
    pipeline = pipeline_of(tmp_path, text)
    assert len(pipeline.services) == 1000
    assert time.process_time() - began < 5.0, "about 0.6 s on a free machine"


def test_neither_command_imports_dagster() -> None:
    code = (
        "import sys; import shopkart_pipeline.cli.validate, shopkart_pipeline.cli.plan; "
        "import shopkart_pipeline.services.accept_release; "
        "print([name for name in sys.modules if name.partition('.')[0].startswith('dagster')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
