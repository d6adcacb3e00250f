"""How long after a person's last activity each of them stops the instance at the latest, by its own rule.

Derived, not measured: if nothing fails, and without the time that the sweep and the stop take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from benchmarks.bench.schedules import per_hour
from bootstrap.config.settings import Timing
from lifecycle_app.settings import SWEEP_SCHEDULE

MINUTE = timedelta(minutes=1)
REPORT = Timing().report_period
SWEEP = timedelta(hours=1) / per_hour(SWEEP_SCHEDULE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`known_within`: how much later than it happened an activity may seem to have happened; `every`: how far its looks
    lie apart.
    """

    name: str
    known_within: timedelta
    every: timedelta
    because: str
    source: str

    def latest(self, timeout: timedelta) -> timedelta:
        """After the last activity, with that timeout."""
        return timeout + self.known_within + self.every


def rules(timeout: timedelta) -> Sequence[Rule]:
    """Everybody's with its defaults."""
    return (
        Rule(
            name="cloudJHub (ours)",
            known_within=REPORT,
            every=SWEEP,
            because=f"a report every {REPORT.total_seconds():.0f} s; without the alarm, the sweep every 5 minutes"
            " (300 s)",
            source="`report_period`; `SWEEP_SCHEDULE` in `lifecycle_app/settings.py`",
        ),
        Rule(
            name="jupyterhub-idle-culler",
            known_within=timedelta(0),
            every=timeout // 2,
            because="`cull_every` is by default half of `timeout` (1,800 s)",
            source="2.0.0, `IdleCuller._default_cull_every`",
        ),
        Rule(
            name="cloud-custodian",
            known_within=5 * MINUTE,
            every=5 * MINUTE,
            because="EC2 tells CPUUtilization by five minutes (300 s); run every 5 minutes (300 s): it has no interval"
            " of its own",
            source="0.9.53, filter `metrics` with a window of the timeout; EC2's basic monitoring",
        ),
        Rule(
            name="cloudJHub (before)",
            known_within=timedelta(0),
            every=5 * MINUTE,
            because="it looks every 300 s",
            source="its culler's interval, `docs/seed-capabilities.md`",
        ),
    )
