"""The Dagster layer: what engineers see and press. Short functions that call a service.

- `keys`      asset keys, partitions, names of jobs
- `stages`    one asset per stage of a service, with one check per gate
- `display`   evidence and verdicts as Dagster metadata
- `rollback`  the button that brings production back
- `dispatch`  the inbox becomes runs: for the sensor, and for the warm worker that the receiver wakes
- `sensors`   what runs without being asked
- `build`     all of it together, from a platform
"""
