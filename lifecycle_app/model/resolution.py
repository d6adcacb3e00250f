"""How finely workers' reports are read: to which end of a period activity is rounded, from which a timeout counts."""

from __future__ import annotations

from datetime import timedelta

from lifecycle_app.model.policy import Policy

SHORT_ALARMS_EVERY = timedelta(seconds=10)
"""CloudWatch evaluates alarms with periods below a minute so often, over periods that end then; others each minute.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""
SHORT_PERIODS_KEPT = timedelta(hours=3)
"""CloudWatch keeps datapoints of less than a minute for so long."""
MINUTES_KEPT = timedelta(days=15)
"""CloudWatch keeps datapoints of a minute for so long, and returns nothing to whoever asks for earlier ones."""
CLOCKS_DIFFER = timedelta(minutes=5)
"""AWS accepts requests from clocks that differ by so much."""
MINUTE = timedelta(minutes=1)


def looked_back(policy: Policy, report_period: timedelta) -> timedelta:
    """How far back a decision by this policy reads reports."""
    return max(policy.idle_timeout, policy.start_grace, policy.hung_after) + 4 * report_period


def query_period(report_period: timedelta, back: timedelta) -> timedelta:
    """The period to query: at most the time between two evaluations of the alarm, if CloudWatch keeps such datapoints.

    An alarm's periods end when it is evaluated, not with the clock's periods. With datapoints of the clock's periods,
    it would fire before the last one with activity has been over for the whole timeout, and the worker would be kept.
    """
    is_kept = back <= SHORT_PERIODS_KEPT - CLOCKS_DIFFER
    return min(report_period, SHORT_ALARMS_EVERY) if report_period < MINUTE and is_kept else MINUTE
