"""The collector rests while something big is made, and then goes on as before."""

import gc

import pytest

from shopkart_pipeline.engine.collector import paused


def test_it_goes_on_afterwards_also_after_an_error() -> None:
    def breaks() -> None:
        with paused():
            assert not gc.isenabled()
            raise ValueError

    with pytest.raises(ValueError):
        breaks()
    assert gc.isenabled()


def test_one_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
