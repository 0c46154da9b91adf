"""The collector of garbage rests while tests are collected, and not for longer."""

import gc


def test_garbage_is_collected_again_when_tests_run() -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000
