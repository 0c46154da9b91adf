"""`alerting`: where alerts go, and no credentials on the way in plain text."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.alerting import Alerting
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, one_fault_of, pipeline_of


def test_without_a_word_alerts_go_to_the_receiver_in_the_cluster(tmp_path: Path) -> None:
    assert pipeline_of(tmp_path, SMALLEST).alerting == Alerting()


def test_the_receiver_may_be_elsewhere(tmp_path: Path) -> None:
    declared = (
        "alerting:\n  receiver: https://pipeline.example/webhooks/alertmanager\n"
        "  token_file: /run/secrets/token\n  grafana: https://grafana.example/\n"
    )
    assert pipeline_of(tmp_path, SMALLEST + declared).alerting == Alerting(
        "https://pipeline.example/webhooks/alertmanager", "/run/secrets/token", "https://grafana.example"
    )


@pytest.mark.parametrize(
    ("receiver", "message"),
    [
        ("http://pipeline.example/webhooks/alertmanager", "without encryption the receiver may only be on"),
        ("https://user:secret@pipeline.example", "address without a password"),
    ],
)
def test_a_token_is_not_sent_where_others_could_read_it(tmp_path: Path, receiver: str, message: str) -> None:
    fault = one_fault_of(tmp_path, f"{SMALLEST}alerting: {{receiver: '{receiver}'}}\n")
    assert fault.path == "alerting.receiver"
    assert message in fault.message
