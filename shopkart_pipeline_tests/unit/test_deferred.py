"""What is chosen late is chosen once, and a choice that can't be made says so to everybody who asks."""

import pytest

from shopkart_pipeline.deferred import DeferredMapping, DeferredSequence
from shopkart_pipeline.domain.errors import PipelineError


def test_it_is_chosen_when_somebody_asks_and_once() -> None:
    asked = list[str]()

    def sites() -> dict[str, int]:
        asked.append("sites")
        return {"staging": 1, "production": 2}

    mapping, sequence = DeferredMapping(sites), DeferredSequence(lambda: (3, 4, 5))
    assert not asked

    assert (dict(mapping), mapping.get("nowhere"), len(mapping)) == ({"staging": 1, "production": 2}, None, 2)
    assert asked == ["sites"]
    assert (list(sequence), sequence[0], sequence[1:], len(sequence)) == ([3, 4, 5], 3, (4, 5), 3)


def test_what_can_not_be_chosen_is_told_each_time() -> None:
    def refuse() -> dict[str, int]:
        raise PipelineError("There is no such cluster.", "Name one.")

    mapping = DeferredMapping(refuse)

    for _ in range(2):
        with pytest.raises(PipelineError, match="no such cluster"):
            mapping["production"]
