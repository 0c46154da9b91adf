"""A stage's tool in a pod of its own: what goes there, how it is handed over, and what may come back.

- `packing`    folders as one file, and back: bounded, without links that lead out
- `documents`  what is to be done, and what came out, as JSON that is checked like any stranger's
- `handover`   the run's side of the wire: one package to be fetched, one result to be brought
- `errand`     one step from order to result, as the run sees it
- `scanner`, `builder`  the ports' sides: a tool that works elsewhere
- `carry_out`  the pod's side: the same tool by its name
"""
