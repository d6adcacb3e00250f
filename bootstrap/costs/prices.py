"""Prices in US dollars (us-east-1, Linux on demand) with their sources, and the calculation's assumptions.

Of the free tiers, only those named here are subtracted. A price that is looked up again gets a new date in SOURCES.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lifecycle_app.model.history import PER_HOUR, REGION

PER_CREDIT_HOUR = {"t3": 0.05, "t3a": 0.05, "t4g": 0.04}
BASELINES = {
    "nano": 0.05,
    "micro": 0.10,
    "small": 0.20,
    "medium": 0.20,
    "large": 0.30,
    "xlarge": 0.40,
    "2xlarge": 0.40,
}
"""Of t3, t3a and t4g: the share of each vCPU that earned credits allow indefinitely."""
CREDIT_VCPUS = {"xlarge": 4, "2xlarge": 8}
"""Of these sizes; the smaller ones have 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """AWS's price of each resource that a cluster uses."""

    instance_hour: Mapping[str, float] = field(default_factory=lambda: dict(PER_HOUR))
    address_hour: float = 0.005
    """A public IPv4 address, in use or idle."""
    disk_month: float = 0.08
    """A GB of gp3."""
    snapshot_month: float = 0.05
    """A GB."""
    nat_hour: float = 0.045
    nat_gb: float = 0.045
    endpoint_hour: float = 0.01
    """Of an interface endpoint in a zone; what goes through it, at $0.01 a GB, is not counted."""
    out_gb: float = 0.09
    out_free_gb: float = 100
    """Free traffic to the internet each month, for the whole account."""
    lambda_million: float = 0.20
    lambda_gb_second: float = 0.0000133334
    """On arm64."""
    write_million: float = 0.625
    read_million: float = 0.125
    metric_month: float = 0.30
    """A custom metric, by the hours that have data."""
    alarm_month: float = 0.10
    short_alarm_month: float = 0.30
    """An alarm on periods of less than a minute."""
    alarms_free: int = 10
    """Free alarms of the account; subtracted from the cluster's own alarms."""
    metric_request: float = 0.01 / 1000
    """PutMetricData by the call, GetMetricData by the metric."""
    metric_free_requests: float = 1_000_000
    """Free calls of PutMetricData each month; GetMetricData has none."""
    log_gb: float = 0.50
    zone_gb: float = 0.02
    """Traffic between zones: a cent for each direction."""
    credit_hour: Mapping[str, float] = field(default_factory=lambda: dict(PER_CREDIT_HOUR))
    """A vCPU-hour above the baseline, of families with unlimited credits."""
    dashboard_month: float = 3.00
    """A dashboard of more metrics than a free one may have."""
    dashboard_free_metrics: int = 50


@dataclass(frozen=True, slots=True)
class Source:
    """Where a price is from."""

    offer: str
    """The service's code in the AWS Price List."""
    page: str
    """Where people find it."""
    as_of: str = "2026-11"
    """The month in which it was looked up."""


_EC2 = Source("AmazonEC2", "https://aws.amazon.com/ec2/pricing/on-demand/")
_EBS = Source("AmazonEC2", "https://aws.amazon.com/ebs/pricing/")
_VPC = Source("AmazonVPC", "https://aws.amazon.com/vpc/pricing/")
_NAT = Source("AmazonEC2", "https://aws.amazon.com/vpc/pricing/")
_ENDPOINT = Source("AmazonVPC", "https://aws.amazon.com/privatelink/pricing/")
_TRAFFIC = Source("AWSDataTransfer", "https://aws.amazon.com/ec2/pricing/on-demand/")
_LAMBDA = Source("AWSLambda", "https://aws.amazon.com/lambda/pricing/")
_DYNAMODB = Source("AmazonDynamoDB", "https://aws.amazon.com/dynamodb/pricing/on-demand/")
_CLOUDWATCH = Source("AmazonCloudWatch", "https://aws.amazon.com/cloudwatch/pricing/")
SOURCES: Mapping[str, Source] = {
    "instance_hour": _EC2,
    "credit_hour": _EC2,
    "address_hour": _VPC,
    "disk_month": _EBS,
    "snapshot_month": _EBS,
    "nat_hour": _NAT,
    "nat_gb": _NAT,
    "endpoint_hour": _ENDPOINT,
    "out_gb": _TRAFFIC,
    "out_free_gb": _TRAFFIC,
    "zone_gb": _TRAFFIC,
    "lambda_million": _LAMBDA,
    "lambda_gb_second": _LAMBDA,
    "write_million": _DYNAMODB,
    "read_million": _DYNAMODB,
    "metric_month": _CLOUDWATCH,
    "alarm_month": _CLOUDWATCH,
    "short_alarm_month": _CLOUDWATCH,
    "alarms_free": _CLOUDWATCH,
    "metric_request": _CLOUDWATCH,
    "metric_free_requests": _CLOUDWATCH,
    "log_gb": _CLOUDWATCH,
    "dashboard_month": _CLOUDWATCH,
    "dashboard_free_metrics": _CLOUDWATCH,
}
"""Of each field of Prices."""


def prices_in(region: str) -> Prices | None:
    """The prices of a region; None where they are not known, which are all but one."""
    return Prices() if region == REGION else None


HOURS_A_MONTH = 730


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """Figures a user, an hour or a call. Each is named in docs/costs.md."""

    fetched_gb: float = 5
    """Downloads of a user's machine in a month: packages and data."""
    sent_gb: float = 0.065
    """Traffic to the internet in an hour of work: mostly pages to browsers."""
    runs: float = 15
    """Starts a user a month."""
    lambda_seconds: float = 0.5
    lambda_gb: float = 0.25
    passes_an_hour: float = 60
    """Passes of `record_activity`: each reads one figure of a running worker and writes its record."""
    writes_a_pass: float = 6
    """Write units of a record: itself, and its indexes, of which one whose key changes takes two."""
    cpu: float = 0.1
    """How much of its vCPUs a machine uses on average in an hour of work."""
    dashboard_metrics: int = 19
    """Metrics of the dashboard: of the functions and the dead-letter queue, none of a worker."""
    metrics: int = 3
    """Custom metrics with data in an hour, of the six that a worker has: those that are 0 are not sent."""
    own_alarms: int = 10
    """Alarms that watch the cluster's own parts (`alarms.py` and `recovery.py` in `bootstrap/cluster/monitoring`)."""
    log_kb_a_call: float = 1.0
    """What a call of a function logs, with Lambda's own three lines (`tests/simulation/test_report.py`)."""
    record_kb: float = 1.0
    """A worker's record (`tests/store/test_write_units.py`)."""
    launched_elsewhere: float = 0.05
    """The part of the machines that are not in the manager's zone, because it had none of their type at some time."""
    home_filled: float = 0.65
    """How full a home is: it is doubled at 85 %, and is 43 % full then. A snapshot keeps what was written alone."""
    changed_gb: float = 0.1
    """What a day with work changes on a home, in blocks of 512 KiB as snapshots have them."""
    snapshots_a_disk: float = 0
    """Snapshots that are kept of each user's disks, as large as the disk. cloudJHub's formula counts one."""
