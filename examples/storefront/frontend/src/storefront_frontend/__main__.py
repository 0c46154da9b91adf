"""`python -m storefront_frontend`: reads the environment, serves until SIGTERM."""

import os
import sys

from servicekit.logs import configure
from servicekit.server import serve
from servicekit.settings import SettingsFault
from storefront_frontend.app import PACKAGE, build
from storefront_frontend.settings import read_settings


def main() -> int:
    """Runs one frontend process. Exit code 2 where the environment is at fault."""
    try:
        settings = read_settings(os.environ)
    except SettingsFault as error:
        print("\n".join(error.faults), file=sys.stderr)
        return 2
    configure(settings.service.identity, package=PACKAGE)
    return serve(build(settings), settings.service)


if __name__ == "__main__":
    sys.exit(main())
