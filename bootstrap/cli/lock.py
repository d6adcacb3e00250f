"""Keeps two commands of one operator from changing the same cluster at the same time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from bootstrap.aws.site import Site
from bootstrap.errors import Refused

LOCK = "changing.lock"


@contextmanager
def alone(site: Site) -> Iterator[None]:
    """Change the cluster with no other command of this directory beside. The lock goes with the process, however that
    ends. Raises Refused at once where another one holds it.

    Operators on different machines are not kept apart: AWS decides between them call by call, and the next `up` mends.
    """
    site.directory.mkdir(parents=True, exist_ok=True)
    with (site.directory / LOCK).open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise Refused(
                f"another command changes {site.cluster} at this moment (process {lock.read().strip()}): "
                "wait for its end, then run this one again"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
