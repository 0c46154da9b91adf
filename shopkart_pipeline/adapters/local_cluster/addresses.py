"""Where the datastores of an environment are, and the passwords that open them.

Every user of a machine can reach its loopback interface, so there are passwords. They are made once, are readable by
the owner of the home alone, and reach replicas as part of an address; nothing else repeats them.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.adapters.local_cluster.documents import Codec, locked
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.ports import HOST, ports_of
from shopkart_pipeline.domain.errors import NotFound

DATABASE = "shopkart"
"""Name of the database, and of the role that owns it."""


@dataclass(frozen=True)
class PasswordBook:
    """Password by name of the server."""

    passwords: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


BOOK = Codec(PasswordBook)


def password_of(folders: Folders, name: str) -> str:
    """The password of that name, made at the first call."""
    with locked(folders.passwords.with_suffix(".lock")):
        book = BOOK.read(folders.passwords) or PasswordBook()
        if name not in book.passwords:
            book = PasswordBook({**book.passwords, name: secrets.token_urlsafe(24)})
            BOOK.write(folders.passwords, book, durable=True)
        return book.passwords[name]


def redis_name(environment: str) -> str:
    """What the Redis of an environment is called, in the books and in logs."""
    return f"redis-{environment}"


def postgres_name(environment: str) -> str:
    """What the PostgreSQL of an environment is called, in the books and in logs."""
    return f"postgres-{environment}"


def environment_urls(home: Path, environment: str) -> Mapping[str, str]:
    """Where the datastores of an environment are: `redis_url` and `database_url`, with their passwords.

    Raises:
        NotFound: the local cluster has no such environment, or was never started.
    """
    folders = Folders(home)
    ports = ports_of(folders)
    passwords = (BOOK.read(folders.passwords) or PasswordBook()).passwords
    redis, postgres = redis_name(environment), postgres_name(environment)
    if not all(name in ports and name in passwords for name in (redis, postgres)):
        raise NotFound(f"The local cluster has no environment {environment}.", "Start it with `shopkart up`.")
    return {
        "redis_url": f"redis://:{passwords[redis]}@{HOST}:{ports[redis]}/0",
        "database_url": f"postgresql://{DATABASE}:{passwords[postgres]}@{HOST}:{ports[postgres]}/{DATABASE}",
    }
