"""One action for many workers: in turn, or in threads, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 100
"""Threads. Each waits for the hub and AWS most of its time, and both can take so many connections."""


class MapAll(Protocol):
    """The results of `act` for all items, in their order. An error is raised once all are done."""

    def __call__(self, act: Callable[[T], R], items: Sequence[T], /) -> list[R]: ...


def one_by_one(act: Callable[[T], R], items: Sequence[T], /) -> list[R]:
    """One after the other."""
    return [act(item) for item in items]


def in_threads(act: Callable[[T], R], items: Sequence[T], /) -> list[R]:
    """All at the same time: pass one of the `batches`."""
    with ThreadPoolExecutor(max(1, len(items))) as threads:
        return list(threads.map(act, items))


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in order, in batches of `AT_ONCE`. The first item is a batch of its own: the connections that it opens
    and the hub's token that it reads serve all others.
    """
    yield from filter(None, (items[:1],))
    for start in range(1, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
