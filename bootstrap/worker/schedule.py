"""When a worker reports.

CloudWatch sorts datapoints into periods that begin at multiples of their length. A worker reports at a moment of its
own within each period, so that every period has exactly one datapoint, whatever the delays, and not all workers call
at the same second.
"""

import hashlib
from datetime import UTC, datetime, timedelta

EPOCH = datetime.fromtimestamp(0, UTC)

# Kept away from a period's edges, so that a small step of the clock cannot move a report into the next one.
EARLIEST, LATEST = 0.2, 0.8


def next_report(now: datetime, period: timedelta, instance_id: str) -> datetime:
    """The next moment after ``now`` at which this worker reports."""
    first = EPOCH + period * phase(instance_id)
    passed = (now - first) // period
    return first + (passed + 1) * period


def phase(instance_id: str) -> float:
    """A worker's own moment within a period, as a fraction of it, always the same for the same worker."""
    digest = hashlib.sha256(instance_id.encode()).digest()
    return EARLIEST + (LATEST - EARLIEST) * int.from_bytes(digest[:4]) / 2**32
