"""`shopkart demo`: the main job on the embedded platform, with real git, real tools and real traffic.

- `story`       the four changes, read from `examples/story`
- `repository`  ShopKart's repository: people push, reviewers merge, GitHub's webhook is posted
- `traffic`     customers: a process that shops all the time and counts what it gets
- `watch`       what is going on, for a person who looks on
- `outcome`     what happened as a table and as JSON, and whether the story went as it should
- `run`         puts them together
"""

from shopkart_pipeline.cli.demo.run import add_arguments, run

__all__ = ["add_arguments", "run"]
