"""A simulation: canaries as good as stable, or worse, judged by our judge and by the published rules of others.

- `traffic`  streams of requests and errors of both tracks, seeded, look by look
- `rules`    our judge, and the rules of Argo Rollouts and Flagger, each on the same looks
- `kayenta`  Kayenta's rule, which needs more statistics than the others
- `trial`    many streams under every rule: who aborted when, and what it had cost by then
- `plot`     the findings as a picture
"""
