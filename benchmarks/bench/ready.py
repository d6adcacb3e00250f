"""How long `make local` takes from an installed checkout until a user can log in."""

import tempfile
import time
from pathlib import Path

from benchmarks.bench.report import Section, measured, sample
from tests.scenarios.cloud import LocalCloud

TARGET = 20.0


def time_to_start(port: int, repetitions: int) -> Section:
    """Starts from an empty state directory, and again from that of the first run."""
    empty, resumed = [], []
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory(prefix="cloudjhub-bench-") as folder:
            cloud = LocalCloud(Path(folder), port)
            empty.append(_up(cloud))
            resumed.append(_up(cloud))
    return Section(
        title="`make local`",
        intro="`python -m bootstrap local up --detach` until it returns, which is when a user can log in.",
        rows=(
            measured("from an empty state directory", sample(empty), 1, "s", at_most=TARGET),
            measured("resuming", sample(resumed), 1, "s", at_most=TARGET),
        ),
    )


def _up(cloud: LocalCloud) -> float:
    began = time.monotonic()
    try:
        cloud.up()
        return time.monotonic() - began
    finally:
        cloud.down()
