"""Ports that are chosen when they are first asked for: until then nobody waits for their adapters to be imported."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Generic, TypeVar, overload

Chosen = TypeVar("Chosen")
Key = TypeVar("Key")
Port = TypeVar("Port")


class _Once(Generic[Chosen]):
    """What `choose` returns; it is called once, whoever asks first. What it raises is raised each time."""

    def __init__(self, choose: Callable[[], Chosen]) -> None:
        self._choose, self._lock, self._chosen = choose, RLock(), list[Chosen]()

    def __call__(self) -> Chosen:
        with self._lock:
            if not self._chosen:
                self._chosen.append(self._choose())
            return self._chosen[0]


class DeferredMapping(Mapping[Key, Port]):
    """The mapping that `choose` returns."""

    def __init__(self, choose: Callable[[], Mapping[Key, Port]]) -> None:
        self._chosen = _Once(choose)

    def __getitem__(self, key: Key) -> Port:
        return self._chosen()[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._chosen())

    def __len__(self) -> int:
        return len(self._chosen())


class DeferredSequence(Sequence[Port]):
    """The sequence that `choose` returns."""

    def __init__(self, choose: Callable[[], Sequence[Port]]) -> None:
        self._chosen = _Once(choose)

    @overload
    def __getitem__(self, index: int) -> Port: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Port]: ...
    def __getitem__(self, index: int | slice) -> Port | Sequence[Port]:
        return self._chosen()[index]

    def __len__(self) -> int:
        return len(self._chosen())
