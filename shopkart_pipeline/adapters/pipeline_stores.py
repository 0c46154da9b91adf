"""The pipeline's own stores where some of them are in PostgreSQL: files of the home, and databases beside them, as one.

One backup holds them all, so that what names each other comes back together: an archive as `sqlite_files` writes it,
and in it `postgresql/NAME-MAJOR.dump` for each database, as `pg_dump` writes it. A database that holds the inbox comes
before the home, and the others after it: a delivery that is done has its runs then, wherever both are.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shopkart_pipeline.adapters._held_folder import held_folder
from shopkart_pipeline.adapters.postgres_dump import PostgresDump
from shopkart_pipeline.adapters.sqlite_files import SqliteFiles, unpack
from shopkart_pipeline.domain.backup import Contents, Dumped
from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.ports.backups import Database, Restored, Sink

_FOLDER = "postgresql"
_PIECE_BYTES = 1 << 20


class PipelineStores(Database):
    """Files and databases.

    Args:
        files: what is in the home.
        first: names of the databases that come before the home.
        then: of those that come after it.
        postgres: gives each by its name.
        scratch: a folder for what is on its way.
    """

    def __init__(
        self,
        files: SqliteFiles,
        first: Sequence[str],
        then: Sequence[str],
        postgres: Callable[[str], PostgresDump],
        scratch: Path,
    ) -> None:
        self._files = files
        self._first = first
        self._then = then
        self._postgres = postgres
        self._scratch = scratch

    def dump(self, sink: Sink) -> Dumped:
        dumped = dict[str, Dumped]()
        with held_folder(self._scratch) as folder:
            before = [self._written(name, folder, dumped) for name in self._first]

            def others() -> list[tuple[str, Path]]:
                return [*before, *(self._written(name, folder, dumped) for name in self._then)]

            told = self._files.dump_with(sink, others)
        tools = dict.fromkeys([told.tool, *(each.tool for each in dumped.values())])
        return Dumped(_merged(told.contents, {name: each.contents for name, each in dumped.items()}), ", ".join(tools))

    def _written(self, name: str, folder: Path, dumped: dict[str, Dumped]) -> tuple[str, Path]:
        path = folder / f"{name}.dump"
        with path.open("wb") as file:
            dumped[name] = self._postgres(name).dump(file.write)
        major = dumped[name].contents.version.split()[1].partition(".")[0]
        return f"{_FOLDER}/{name}-{major}.dump", path

    @contextmanager
    def restored(self, dump: Iterable[bytes], version: str) -> Generator[Restored]:
        found = dict[str, Contents]()
        with self._files.restored(dump, version) as restored:
            for name, path, its_version in _dumps(Path(restored.address)):
                with self._postgres(name).restored(_pieces(path), its_version) as database:
                    found[name] = database.contents
            yield Restored(restored.address, _merged(restored.contents, found))

    def bring_back(self, dump: Iterable[bytes], version: str) -> None:
        del version
        self._files.check_empty()
        for name in (*self._first, *self._then):
            self._postgres(name).check_empty()
        with held_folder(self._scratch) as folder:
            unpack(dump, folder)
            dumps = list(_dumps(folder))
            self._check_names({name for name, *_ in dumps})
            for name, path, its_version in dumps:
                self._postgres(name).bring_back(_pieces(path), its_version)
                path.unlink()
            self._files.take_in(folder)

    def _check_names(self, names: set[str]) -> None:
        wanted = {*self._first, *self._then}
        if names != wanted:
            raise Refused(
                f"The backup holds the databases {_words(names)}, and what is set up here are {_words(wanted)}.",
                "Set SHOPKART_INBOX, SHOPKART_LEDGER, SHOPKART_STORES and Dagster's storage as they were.",
            )


def _words(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _dumps(folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Each database of an unpacked archive: name, file, and version."""
    for path in sorted((folder / _FOLDER).glob("*.dump")):
        name, _, major = path.stem.rpartition("-")
        yield name, path, f"PostgreSQL {major}"


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _merged(files: Contents, databases: Mapping[str, Contents]) -> Contents:
    if not databases:
        return files
    rows = {f"{name}/{table}": count for name, each in databases.items() for table, count in each.rows.items()}
    schemas = {"": files.schema_digest, **{name: each.schema_digest for name, each in databases.items()}}
    versions = dict.fromkeys([files.version, *(each.version for each in databases.values())])
    return Contents({**files.rows, **rows}, digest_of(schemas), ", ".join(versions))
