"""`shopkart notify`: what is declared, what could not be told, and whether a channel works."""

import argparse

import pytest

from shopkart_pipeline.cli import notify
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.notification import Notification
from shopkart_pipeline.ports.notifier import NotDelivered
from shopkart_pipeline.services.notify import notify as tell
from shopkart_pipeline.services.send_notifications import send_notifications
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture(autouse=True)
def platform(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "open_platform", lambda: world.platform)


def _run(channel: str | None = None) -> int:
    return notify.run(argparse.Namespace(test=channel, key=None))


def test_channels_are_shown_with_when_they_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run() == 0

    assert capsys.readouterr().out.splitlines() == [
        "oncall  slack, told at once",
        "mail  smtp, told at once",
        "lead  slack, told after 10m without an answer",
    ]


def test_what_could_not_be_told_is_shown_with_its_reason(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.notifiers["oncall"].failures.append(NotDelivered("Channel oncall answered 404: [no_service]", ""))
    tell(world.platform, Notification("a", "b", "Errors [in] production", ""))
    send_notifications(world.platform)

    assert _run() == 1

    assert (
        "oncall: Errors [in] production waits since 2025-03-04 12:00:00 UTC, tried 1 times: "
        "Channel oncall answered 404: [no_service]"
    ) in capsys.readouterr().out


def test_a_channel_is_tested_at_once_and_not_by_the_queue(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("lead") == 0

    [(notification, _, _)] = world.notifiers["lead"].got
    assert "There is nothing to do" in notification.body
    assert world.notifications.told() == []
    assert "lead took it." in capsys.readouterr().out


def test_a_channel_that_does_not_work_says_why(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.notifiers["lead"].failures.append(NotDelivered("It answered 404.", "Make a new webhook."))

    assert _run("lead") == 1

    assert capsys.readouterr().out == "lead did not take it: It answered 404.\n  Make a new webhook.\n"


def test_a_channel_that_is_not_declared_is_not_found() -> None:
    with pytest.raises(NotFound, match="oncall, mail, lead"):
        _run("pager")
