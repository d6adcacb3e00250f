"""What the reckoning takes for granted, where the settings do not say it."""

from dataclasses import dataclass

HOURS_A_MONTH = 730


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """Figures a user, an hour or a call. Each is named in docs/costs.md."""

    fetched_gb: float = 5
    """What a user's machine fetches from the internet in a month: packages and data."""
    sent_gb: float = 0.065
    """What goes out to the internet in an hour worked: pages to browsers, mostly."""
    runs: float = 15
    """Starts a user a month."""
    lambda_seconds: float = 0.5
    lambda_gb: float = 0.25
    passes_an_hour: float = 60
    """Passes of `record_activity`: each asks for one figure of a running worker, and writes its record."""
    writes_a_pass: float = 4
    """Write units of a record: itself and its three indexes."""
    metrics: int = 3
    """Custom metrics with data in an hour, of the five that a worker has: those that are 0 are not sent."""
    own_alarms: int = 14
    """Alarms that watch the cluster's own parts (`bootstrap/cluster/monitoring/alarms.py`)."""
    log_gb_hour: float = 0.0005
    """Logs of the functions, an hour, whoever works."""
    snapshots_a_disk: float = 0
    """Snapshots that are kept of each user's disks, as large as the disk. cloudJHub's formula counts one."""
