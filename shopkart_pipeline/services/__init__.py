"""One use case per file. Ports are passed in; nothing here knows Dagster, a tool or an environment variable.

The way of a release through this room: `accept_release` (an event becomes releases and requests) -> `run_stage`
(begins, refuses without the stages before, does, records) -> `approve_release` -> `authorise_deploy` (recomputes the
verdict from stored evidence) -> `roll_out` (begins, or goes on where a lost worker stopped) -> `drive_rollout` (ticks
of `advance_rollout` under a lease) -> `conclude_rollout` (ledger, evidence, and `open_incident` where it went wrong).
"""
