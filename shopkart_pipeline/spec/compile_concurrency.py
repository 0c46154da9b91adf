"""How many runs may be at work at the same time."""

from collections.abc import Mapping

from shopkart_pipeline.domain.declaration import Concurrency, Environment
from shopkart_pipeline.spec.faults import Faults, nearest
from shopkart_pipeline.spec.models.declaration import ConcurrencySpec


def compile_concurrency(
    spec: ConcurrencySpec | None, environments: Mapping[str, Environment], faults: Faults
) -> Concurrency:
    """The declared limits; a fault for each environment that there is not."""
    for name in (spec and spec.environments) or ():
        if name not in environments:
            message = f"there is no environment {name}; {nearest(name, environments)}"
            faults.add_meaning(("concurrency", "environments", name), message)
    return Concurrency(**spec.model_dump(exclude_none=True)) if spec else Concurrency()
