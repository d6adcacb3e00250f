"""Are the account's quotas large enough for the cluster?

Source of the codes: `aws service-quotas list-service-quotas --service-code ec2`, `vpc` and `lambda`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from bootstrap.aws import names
from bootstrap.aws.errors import code_of
from bootstrap.aws.instances import matching
from bootstrap.aws.site import Site
from bootstrap.config.choices import Egress
from bootstrap.preflight.machines import described
from bootstrap.preflight.problem import Problem, warning
from lifecycle_app.contract import TAG_CLUSTER

STANDARD = "L-1216C47A"
VCPUS: Mapping[str, str] = {"g": "L-DB2E81BA", "vt": "L-DB2E81BA", "p": "L-417A185B", "inf": "L-1945791B",
                            "trn": "L-2C3B7624", "x": "L-7295265B", "f": "L-74FC7D96"}  # fmt: skip
"""Quotas of on-demand vCPUs, by the first letters of the type; all others are standard."""
ADDRESSES = "L-0263D0A3"
VPCS = "L-F678F1CE"
FUNCTIONS = "L-B99A9384"
FUNCTIONS_WANTED = 100
"""At the same time: a class that starts sends several events a second, and each takes a function about a second."""
PAGE = "https://console.aws.amazon.com/servicequotas/home/services/{service}/quotas/{code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vcpus:
    """vCPUs of one quota: the limit, what others use, and what the cluster needs."""

    code: str
    quota: float
    used: int
    """By instances of others."""
    machines: Mapping[str, int]
    """What must run at the same time: manager, image builder, one worker."""
    worker: int
    """Of one worker; 0 where workers count against another quota."""
    users: int


def problems(site: Site) -> Iterator[Problem]:
    """Quotas that are too small."""
    for vcpus in _vcpus(site):
        yield from judge_vcpus(vcpus)
    yield from _addresses(site)
    yield from _vpcs(site)
    yield from judge_functions(_quota(site, "lambda", FUNCTIONS))


def judge_functions(quota: float) -> Iterator[Problem]:
    """How many functions the account may run at the same time; new accounts have 10. Pure."""
    if quota < FUNCTIONS_WANTED:
        page = PAGE.format(service="lambda", code=FUNCTIONS)
        yield warning(
            f"the account may run {quota:g} Lambda functions at the same time: when a class starts, events wait, and "
            f"idle machines stop late; request at least {FUNCTIONS_WANTED} at {page}"
        )


def judge_vcpus(vcpus: Vcpus) -> Iterator[Problem]:
    """A problem if not even one worker fits, a warning if not all users' workers do. Pure."""
    page = PAGE.format(service="ec2", code=vcpus.code)
    free = vcpus.quota - vcpus.used
    least = sum(vcpus.machines.values())
    needs = " + ".join(f"{machine} {count}" for machine, count in vcpus.machines.items())
    others = f", of which others use {vcpus.used}" if vcpus.used else ""
    if least > free:
        yield Problem(
            f"the account may run {vcpus.quota:g} vCPUs{others}; {needs} need {least}: request at least "
            f"{least + vcpus.used} at {page}"
        )
        return
    if not vcpus.worker:
        return
    manager = vcpus.machines.get("manager", 0)
    at_once = int((free - manager) // vcpus.worker)
    if at_once >= vcpus.users:
        return
    wanted = manager + vcpus.used + vcpus.users * vcpus.worker
    yield warning(
        f"the account may run {vcpus.quota:g} vCPUs{others}: {at_once} of {vcpus.users} users can work at the same "
        f"time; for all of them request {wanted} at {page}"
    )


def judge_count(what: str, quota: float, used: int, needed: int, page: str) -> Iterator[Problem]:
    """Can this many more of a resource be created? Pure."""
    if used + needed > quota:
        yield Problem(
            f"the account may have {quota:g} {what} and has {used}; {needed} more are needed: release some, or request "
            f"{used + needed} at {page}"
        )


def quota_of(instance_type: str) -> str:
    """The code of the vCPU quota that a type counts against. Pure."""
    letters = re.match("[a-z]+", instance_type)
    return VCPUS.get(letters[0] if letters else "", STANDARD)


def _vcpus(site: Site) -> Iterator[Vcpus]:
    settings = site.settings
    worker = settings.workers.all_types[0]
    machines = {"manager": settings.manager.type, "a worker": worker}
    if not settings.workers.image:
        machines["the image's builder"] = worker
    for profile in settings.workers.profiles:
        if quota_of(profile.types[0]) != quota_of(worker):
            machines[f"a machine of the profile {profile.name}"] = profile.types[0]
    running = _running(site)
    sizes = _sizes(site, {*machines.values(), *running})
    if not set(machines.values()) <= set(sizes):
        return  # an unknown type is reported by the check of instance types
    for code in sorted({quota_of(kind) for kind in machines.values()}):
        yield Vcpus(
            code=code,
            quota=_quota(site, "ec2", code),
            used=sum(sizes.get(kind, 0) for kind in running if quota_of(kind) == code),
            machines={what: sizes[kind] for what, kind in machines.items() if quota_of(kind) == code},
            worker=sizes[worker] if quota_of(worker) == code else 0,
            users=settings.users,
        )


def _addresses(site: Site) -> Iterator[Problem]:
    settings, needed = site.settings, 0
    network = settings.network
    if not network.private and not site.outputs(names.stack(site.cluster, "place")):
        needed += 1
    is_new = network.is_ours and not site.outputs(names.network_stack(network.name))
    if is_new and network.egress is Egress.NAT_GATEWAY:
        needed += 1
    if not needed:
        return
    used = len(site.aws.client("ec2").describe_addresses()["Addresses"])
    page = PAGE.format(service="ec2", code=ADDRESSES)
    yield from judge_count("Elastic IP addresses", _quota(site, "ec2", ADDRESSES), used, needed, page)


def _vpcs(site: Site) -> Iterator[Problem]:
    network = site.settings.network
    if not network.is_ours or site.outputs(names.network_stack(network.name)):
        return
    pages = site.aws.client("ec2").get_paginator("describe_vpcs").paginate()
    used = sum(len(page["Vpcs"]) for page in pages)
    yield from judge_count("VPCs", _quota(site, "vpc", VPCS), used, 1, PAGE.format(service="vpc", code=VPCS))


def _quota(site: Site, service: str, code: str) -> float:
    """The account's own quota; AWS's default where the account has none."""
    client = site.aws.client("service-quotas")
    try:
        found = client.get_service_quota(ServiceCode=service, QuotaCode=code)
    except ClientError as error:
        if code_of(error) != "NoSuchResourceException":
            raise
        return client.get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
    return found["Quota"]["Value"]


def fitting(site: Site, instance_type: str) -> int:
    """How many more machines of a type the quota allows now. Raises ClientError where AWS refuses the call."""
    code = quota_of(instance_type)
    running = [kind for kind in _running(site, own_too=True) if quota_of(kind) == code]
    sizes = _sizes(site, {instance_type, *running})
    used = sum(sizes.get(kind, 0) for kind in running)
    return max(0, int((_quota(site, "ec2", code) - used) // sizes[instance_type]))


def _running(site: Site, *, own_too: bool = False) -> list[str]:
    """Types of the account's running instances, with or without this cluster's."""
    found = matching(site.aws, {"instance-state-name": ["pending", "running"]})
    ours = {"Key": TAG_CLUSTER, "Value": site.cluster}
    return [one["InstanceType"] for one in found if own_too or ours not in one.get("Tags", [])]


def _sizes(site: Site, kinds: Collection[str]) -> dict[str, int]:
    """vCPUs of the types that exist."""
    return {kind: found["VCpuInfo"]["DefaultVCpus"] for kind, found in described(site, kinds).items()}
