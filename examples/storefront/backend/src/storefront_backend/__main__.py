"""`python -m storefront_backend`: reads the environment, serves until SIGTERM."""

import os
import sys

from servicekit.logs import configure
from servicekit.server import serve
from servicekit.settings import SettingsFault
from storefront_backend.app import PACKAGE, build
from storefront_backend.settings import read_settings


def main() -> int:
    """Runs one backend process. Exit code 2 where the environment is at fault."""
    try:
        settings = read_settings(os.environ)
    except SettingsFault as error:
        print("\n".join(error.faults), file=sys.stderr)
        return 2
    configure(settings.service.identity, package=PACKAGE)
    return serve(build(settings), settings.service)


if __name__ == "__main__":
    sys.exit(main())
