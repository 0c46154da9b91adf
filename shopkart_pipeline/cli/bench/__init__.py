"""`shopkart bench`: how fast the pipeline is on this machine, beside peers that are measured in the same run.

- `measures`     samples, medians and limits, as data
- `machine`      what this machine is and how busy it was
- `surroundings` a home of the bench's own with the pipeline running in it, and a repository to push to
- `report`       the same as a table, for people and for `docs/performance.md`
- one module per measurement, each with `NAME` and `measure(around) -> Measurement`
- `run`          puts them together

What is measured runs in processes of its own, as it does in daily use. Peers take turns with the pipeline sample by
sample, so that whatever else the machine does falls on all of them; ratios are the result, not the numbers.
"""

from shopkart_pipeline.cli.bench.run import add_arguments, run

__all__ = ["add_arguments", "run"]
