"""Sending what waits: in order, once, one sender at a time, and whatever the code host does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.domain.notice import CheckNotice, CheckStatus, CommentNotice, Conclusion, Notice, ScanNotice
from shopkart_pipeline.ports.code_host import CodeHost, TryLater
from shopkart_pipeline.services.send_notices import LONGEST_TURN, TURN, send_notices
from shopkart_pipeline_tests.fakes.world import REPOSITORY, World

SHA = "a" * 40
RUNNING = CheckNotice(REPOSITORY, SHA, "shopkart / backend / lint", CheckStatus.IN_PROGRESS, None, "running", "…")
DONE = CheckNotice(
    REPOSITORY, SHA, "shopkart / backend / lint", CheckStatus.COMPLETED, Conclusion.SUCCESS, "clean", "…"
)
COMMENT = CommentNotice(REPOSITORY, 7, "hello")


@dataclass
class ScriptedHost(CodeHost):
    """Does what the test says, once, and otherwise accepts."""

    failures: list[Exception | Callable[[], None]] = field(default_factory=list[Exception | Callable[[], None]])
    got: list[tuple[Notice, str | None, bool]] = field(default_factory=list[tuple[Notice, str | None, bool]])
    sarif: bytes = b""

    def send(self, notice: Notice, remote_id: str | None, *, maybe_sent: bool, sarif: bytes = b"") -> str:
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            failure()
        self.got.append((notice, remote_id, maybe_sent))
        self.sarif = sarif
        return remote_id or f"id-{len(self.got)}"


@pytest.fixture
def host(world: World) -> ScriptedHost:
    host = ScriptedHost()
    world.code_host = host
    return host


def later(world: World, seconds: float, *, everything: bool) -> TryLater:
    return TryLater("GitHub rests.", world.clock.now() + timedelta(seconds=seconds), everything=everything)


def test_what_waits_is_sent_in_order_and_once(world: World, host: ScriptedHost) -> None:
    world.outbox.put([COMMENT, RUNNING], world.clock.now())

    assert send_notices(world.platform) == (
        f"comment:{REPOSITORY}:7: sent as id-1",
        f"check:{REPOSITORY}:{SHA}:shopkart / backend / lint: sent as id-2",
    )
    assert send_notices(world.platform) == ()
    assert [notice for notice, _, _ in host.got] == [COMMENT, RUNNING]


def test_a_thing_that_is_known_is_changed(world: World, host: ScriptedHost) -> None:
    world.outbox.put([RUNNING], world.clock.now())
    send_notices(world.platform)
    world.outbox.put([DONE], world.clock.now())
    send_notices(world.platform)

    assert host.got == [(RUNNING, None, False), (DONE, "id-1", False)]


def test_a_rest_for_everything_holds_all_back_until_its_end(world: World, host: ScriptedHost) -> None:
    host.failures.append(later(world, 60, everything=True))
    world.outbox.put([RUNNING, COMMENT], world.clock.now())

    send_notices(world.platform)
    world.clock.advance(59)
    assert send_notices(world.platform) == ()
    assert host.got == []

    world.clock.advance(2)
    send_notices(world.platform)
    assert host.got == [(RUNNING, None, True), (COMMENT, None, False)]


def test_an_outage_of_one_thing_lets_others_pass_and_waits_longer_each_time(world: World, host: ScriptedHost) -> None:
    waits = list[float]()
    world.outbox.put([RUNNING], world.clock.now())
    for _ in range(12):
        host.failures.append(later(world, 0, everything=False))
        began = world.clock.now()
        while host.failures:
            send_notices(world.platform)
            world.clock.advance(1)
        waits.append((world.clock.now() - began).total_seconds())
    world.outbox.put([COMMENT], world.clock.now())
    send_notices(world.platform)

    assert host.got == [(COMMENT, None, False)]
    assert waits == sorted(waits)
    assert waits[-1] == 600


def test_what_can_never_succeed_is_given_up_with_its_reason(world: World, host: ScriptedHost) -> None:
    host.failures.append(Refused("The App may not write checks.", "Give it the permission."))
    world.outbox.put([RUNNING, COMMENT], world.clock.now())

    send_notices(world.platform)

    assert [notice for notice, _, _ in host.got] == [COMMENT]
    assert world.outbox.abandoned() == ((RUNNING, "The App may not write checks."),)


def test_what_was_tried_by_a_sender_that_died_may_have_arrived(world: World, host: ScriptedHost) -> None:
    class _Crash(BaseException):
        pass

    def die() -> None:
        raise _Crash

    host.failures.append(die)
    world.outbox.put([RUNNING], world.clock.now())
    with pytest.raises(_Crash):
        send_notices(world.platform)

    send_notices(world.platform)

    assert host.got == [(RUNNING, None, True)]


def test_while_somebody_sends_nobody_else_does(world: World, host: ScriptedHost) -> None:
    world.outbox.put([RUNNING], world.clock.now())
    world.outbox.take_turn("another process", world.clock.now() + TURN, world.clock.now())

    assert send_notices(world.platform) == ()

    world.clock.advance(TURN.total_seconds() + 1)
    assert len(send_notices(world.platform)) == 1


def test_a_slow_code_host_does_not_make_a_turn_endless(world: World, host: ScriptedHost) -> None:
    slow = lambda: world.clock.advance(LONGEST_TURN.total_seconds() / 2 + 1)  # noqa: E731 -- reads as a word
    host.failures += [slow] * 5
    world.outbox.put([CommentNotice(REPOSITORY, number, "hello") for number in range(1, 6)], world.clock.now())

    assert len(send_notices(world.platform)) == 2
    assert len(send_notices(world.platform)) == 2


def test_findings_go_with_their_document(world: World, host: ScriptedHost) -> None:
    report = world.evidence.put_report(RawReport("findings.sarif", "application/sarif+json", b"{}"))
    world.outbox.put(
        [ScanNotice(REPOSITORY, SHA, "refs/heads/main", "shopkart/backend", report.digest)], world.clock.now()
    )

    send_notices(world.platform)

    assert host.sarif == b"{}"


def test_a_document_that_is_gone_is_given_up(world: World, host: ScriptedHost) -> None:
    world.outbox.put(
        [ScanNotice(REPOSITORY, SHA, "refs/heads/main", "shopkart/backend", "sha256:gone")], world.clock.now()
    )

    send_notices(world.platform)

    assert len(world.outbox.abandoned()) == 1


def test_without_a_code_host_nothing_is_sent(world: World) -> None:
    world.outbox.put([RUNNING], world.clock.now())

    assert send_notices(world.platform) == ()
