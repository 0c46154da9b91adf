"""Processes that `shopkart bench` starts and that know Dagster; `cli.bench` holds the clock and knows only their words.

- `no_op`              a platform whose tools do nothing: what is left is the pipeline's own work
- `ends_with_ci`       a platform on which nothing follows continuous integration
- `no_op_definitions`  the Dagster code location over both
- `ci_definitions`     the Dagster code location over the latter alone, with real tools
- `run_times`          when runs were created, started and ended, as Dagster's run storage says
- `load_definitions`   how long a declaration takes to become definitions
- `multiply_releases`  gives a home a long history

A platform that passes every gate without looking must not be within reach of a declaration, so `wiring` does not know
it: it is chosen by the code location that the bench's own home names.
"""
