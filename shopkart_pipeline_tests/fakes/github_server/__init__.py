"""A GitHub that speaks HTTP: the part of its REST API that the pipeline uses, as strict as the real one.

`running_github()` serves a `GitHubWorld`. Each group of endpoints is a module with `ENDPOINTS`; what all of them have
in common (who asks, what they may do, pages, ETags, limits, failures on demand) is decided once, in `serving`.
"""

from shopkart_pipeline_tests.fakes.github_server.server import running_github
from shopkart_pipeline_tests.fakes.github_server.trouble import Trouble
from shopkart_pipeline_tests.fakes.github_server.world import GitHubApp, GitHubWorld, Repository

__all__ = ["GitHubApp", "GitHubWorld", "Repository", "Trouble", "running_github"]
