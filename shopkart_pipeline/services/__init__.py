"""One use case per file. Ports are passed in; nothing here knows Dagster, a tool or an environment variable.

The way of a release through this room: `accept_release` (an event becomes releases and requests) -> `run_stage`
(begins, refuses without the stages before, does, records) -> `approve_release` -> `authorise_deploy` (recomputes the
verdict from stored evidence) -> `roll_out` (ticks of `advance_rollout`) -> `open_incident` where it went wrong.
"""
