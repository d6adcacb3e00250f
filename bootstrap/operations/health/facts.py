"""What AWS and the hub answer about a built cluster's parts. Reads only."""

import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from bootstrap.aws import names
from bootstrap.aws.errors import if_exists, ignore_missing
from bootstrap.aws.site import Site
from bootstrap.aws.stacks import physical_ids
from bootstrap.cluster.monitoring import dead_letters
from bootstrap.config.choices import Https
from bootstrap.errors import NotBuilt
from bootstrap.machines import tls
from bootstrap.machines.address import hub_answers, hub_version, public_url, reached_at
from bootstrap.machines.manager.freshness import MARK, Freshness, read
from bootstrap.operations.health.findings import SILENT_FOR

LOOKS_BACK = timedelta(days=1)
ERRORS = '?"ERROR " ?"Task timed out" ?"[ERROR]"'
LONGEST_MESSAGE = 160
CONNECTS_WITHIN = 5.0


def certificate_validity(site: Site) -> tuple[datetime, datetime] | None:
    """When the hub's certificate begins and ends; None where there is none, or none can be seen."""
    if pair := tls.pair_of(site):
        return pair.leaf.not_valid_before_utc, pair.leaf.not_valid_after_utc
    if site.settings.manager.https is not Https.LETS_ENCRYPT:
        return None
    url = urlsplit(public_url(site.settings, site.place()))
    try:
        shown = ssl.get_server_certificate((url.hostname or "", url.port or 443), timeout=CONNECTS_WITHIN)
    except OSError:  # another check reports that the hub does not answer
        return None
    leaf = x509.load_pem_x509_certificate(shown.encode())
    return leaf.not_valid_before_utc, leaf.not_valid_after_utc


def clock_skew(site: Site, now: datetime) -> timedelta:
    """This machine's clock minus AWS's."""
    answer = site.aws.client("sts").get_caller_identity()
    return now - parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def last_run(site: Site, function: str) -> datetime | None:
    """When a function last wrote to its log; None if it never did."""
    describe = partial(
        site.aws.client("logs").describe_log_streams,
        logGroupName=names.function_log_group(function),
        orderBy="LastEventTime",
        descending=True,
        limit=1,
    )
    answer = if_exists(describe)
    found = answer["logStreams"] if answer else []
    # Which of the two is newer depends on how far CloudWatch has come.
    newest = max(
        (max(one.get("lastIngestionTime", 0), one.get("lastEventTimestamp", 0)) for one in found), default=0
    )
    return datetime.fromtimestamp(newest / 1000, UTC) if newest else None


def deployed(site: Site, function: str) -> datetime | None:
    """When a function's code or settings were last deployed; None where there is no such function."""
    client = site.aws.client("lambda")
    found = if_exists(lambda: client.get_function_configuration(FunctionName=function))
    if found is None:
        return None
    return datetime.strptime(found["LastModified"], "%Y-%m-%dT%H:%M:%S.%f%z")


def last_error(site: Site, function: str, now: datetime) -> str:
    """The first line of the last error that a function logged in the last day; "" if there is none."""
    pages = (
        site.aws.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=names.function_log_group(function),
            filterPattern=ERRORS,
            startTime=int((now - LOOKS_BACK).timestamp() * 1000),
        )
    )
    events = if_exists(lambda: [event for page in pages for event in page["events"]])
    if not events:
        return ""
    newest = max(events, key=lambda event: event["timestamp"])
    return next(iter(newest["message"].strip().splitlines()), "")[:LONGEST_MESSAGE]


def alarms_in_alarm(site: Site) -> dict[str, str]:
    """Descriptions of our own alarms in state ALARM, by name."""
    pages = site.aws.client("cloudwatch").get_paginator("describe_alarms")
    return {
        alarm["AlarmName"]: alarm.get("AlarmDescription", "")
        for page in pages.paginate(AlarmNamePrefix=names.alarm(site.cluster, ""), StateValue="ALARM")
        for alarm in page["MetricAlarms"]
    }


def backup_policy(site: Site) -> tuple[str, str, str] | None:
    """Id, state (EC2's word) and its reason of the policy that has the homes backed up each day; None without one."""
    stack = names.stack(site.cluster, "access")
    found = physical_ids(site.aws.client("cloudformation"), stack, "AWS::DLM::LifecyclePolicy")
    if not found:
        return None
    client: Any = site.aws.client("dlm")
    described = if_exists(lambda: client.get_lifecycle_policy(PolicyId=found[0])["Policy"])
    if described is None:
        return found[0], "", ""
    return found[0], described["State"], described.get("StatusMessage", "")


def image(site: Site, image: str) -> tuple[str, datetime | None]:
    """Its state as EC2 reports it, "" for an image that does not exist; and when it was made."""
    found = site.aws.client("ec2").describe_images(Filters=[{"Name": "image-id", "Values": [image]}])[
        "Images"
    ]
    if not found:
        return "", None
    return str(found[0]["State"]), datetime.fromisoformat(found[0]["CreationDate"])


def freshness(site: Site, now: datetime) -> Freshness | None:
    """What the manager wrote last about its security updates; None if it has not for some days."""
    pages = (
        site.aws.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=names.log_group(site.cluster),
            filterPattern=f'"{MARK.strip()}"',
            startTime=int((now - SILENT_FOR).timestamp() * 1000),
        )
    )
    events = if_exists(lambda: [event for page in pages for event in page["events"]]) or []
    said = [read(event["message"]) for event in sorted(events, key=lambda event: event["timestamp"])]
    return next((one for one in reversed(said) if one), None)


def wanted_policies(site: Site) -> dict[str, Any]:
    """The policies that our roles should have, by role, as the access stack has them."""
    found = {}
    stack = site.aws.client("cloudformation").get_template(StackName=names.stack(site.cluster, "access"))
    resources = _document(stack["TemplateBody"])["Resources"].values()
    for properties in (one["Properties"] for one in resources if one["Type"] == "AWS::IAM::Role"):
        found[properties["RoleName"]] = properties["Policies"][0]["PolicyDocument"]
    return found


def found_policies(site: Site, roles: Sequence[str]) -> dict[str, Any]:
    """The one inline policy that each role has; None where there is none, or more than one."""
    return {role: _inline_policy(site, role) for role in roles}


def _inline_policy(site: Site, role: str) -> Any:
    iam = site.aws.client("iam")
    with ignore_missing():
        policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
        if len(policies) == 1:
            return _document(iam.get_role_policy(RoleName=role, PolicyName=policies[0])["PolicyDocument"])
    return None


def _document(text: Any) -> Any:
    """botocore reads most documents itself."""
    return json.loads(text) if isinstance(text, str) else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """What was seen of the hub."""

    url: str
    """"" before the cluster has an address."""
    trouble: str = ""
    """Why it does not answer, in short; "" if it does."""
    version: str = ""
    """JupyterHub's."""


def asked_hub(site: Site) -> Hub:
    """Asks the hub at its public URL."""
    try:
        place = site.place()
    except NotBuilt:
        return Hub(url="", trouble="it has no address yet")
    url, pair, address = public_url(site.settings, place), tls.pair_of(site), reached_at(place)
    trouble = hub_answers(url, pair, address)
    return Hub(url=url, trouble=trouble, version="" if trouble else hub_version(url, pair, address))


def waiting(site: Site) -> int:
    """How many events are in the queue; 0 where there is none."""
    url = dead_letters.find(site)
    if url is None:
        return 0
    found = site.aws.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(found["Attributes"]["ApproximateNumberOfMessages"])
