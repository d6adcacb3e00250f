"""Doing the same for many, at the same time where there are threads for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 100
"""Each waits for the hub and AWS most of its time; so many connections both bear without noticing."""


class MapAll(Protocol):
    """What an act answered for each of the things, in their order. An error of one is raised when all are done."""

    def __call__(self, act: Callable[[T], R], things: Sequence[T], /) -> list[R]: ...


def one_by_one(act: Callable[[T], R], things: Sequence[T], /) -> list[R]:
    """One after the other."""
    return [act(thing) for thing in things]


def in_threads(act: Callable[[T], R], things: Sequence[T], /) -> list[R]:
    """All at once: give it a handful (`batches`)."""
    with ThreadPoolExecutor(max(1, len(things))) as threads:
        return list(threads.map(act, things))


def batches(things: Sequence[T]) -> Iterator[Sequence[T]]:
    """The things in order, as many as are done at once. The first one comes alone: what it has to open, connections and
    the hub's token among it, is there for all others.
    """
    yield from filter(None, (things[:1],))
    for start in range(1, len(things), AT_ONCE):
        yield things[start : start + AT_ONCE]
