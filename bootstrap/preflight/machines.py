"""Are the instance types offered in their zones, and do the images fit the machines' processors and disks?"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.aws import names
from bootstrap.aws.errors import code_of
from bootstrap.aws.instances import found_by_tags
from bootstrap.aws.site import Site
from bootstrap.config.settings import ZONES_BY_DEFAULT, Workers
from bootstrap.config.values import architecture
from bootstrap.errors import Refused, SettingsError
from bootstrap.machines.base_images import base_image, judge_disk
from bootstrap.machines.image import images
from bootstrap.machines.manager_request import ROLE_MANAGER
from bootstrap.preflight.problem import Problem, warning

USERS_A_GIB = 50
"""Whom a manager serves with each GiB of its memory: a t4g.small has 2, and serves about 100 users."""


def type_problems(site: Site) -> Iterator[Problem]:
    """Instance types or zones that do not exist."""
    settings = site.settings
    manager_zone, worker_zones = zones(site)
    offered = offers(site, [*settings.workers.all_types, settings.manager.type])
    yield from judge_zones(site, [manager_zone, *worker_zones])
    workers = settings.workers
    for kind in workers.all_types:
        yield from judge_type(kind, worker_zones, offered, workers.types_setting, site.aws.region)
    yield from judge_type(settings.manager.type, [manager_zone], offered, "manager.type", site.aws.region)
    for setting, kind, found in _described_settings(site):
        yield from judge_hypervisor(kind, found, setting)
        if setting == "manager.type":
            yield from judge_manager(kind, found, settings.users)
        yield from judge_processor(kind, found, setting)


def plan_problems(site: Site) -> Iterator[Problem]:
    """Instance types that an account with the free plan cannot launch.

    Accounts that AWS opened before July 2025 have no plan, and other partitions know none.
    """
    if site.aws.partition != "aws":
        return
    try:
        plan = site.aws.client("freetier").get_account_plan_state()
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return
    if plan["accountPlanType"] == "FREE":
        for setting, kind, found in _described_settings(site):
            yield from judge_free(kind, found, setting)


def judge_type(
    kind: str, wanted: Sequence[str], offered: Mapping[str, set[str]], setting: str, region: str
) -> Iterator[Problem]:
    """Is a type offered in these zones? `offered` has each type's zones. Pure."""
    there = offered.get(kind, set())
    if not there:
        yield Problem(f"EC2 does not offer the instance type {kind} in {region}: set another in `{setting}`")
        return
    missing = [zone for zone in dict.fromkeys(wanted) if zone not in there]
    if missing:
        yield Problem(
            f"EC2 does not offer {kind} in {', '.join(missing)}: set another in `{setting}`, or use subnets or zones "
            f"in {', '.join(sorted(there))}"
        )


def judge_hypervisor(kind: str, found: Mapping[str, Any], setting: str) -> Iterator[Problem]:
    """Can a machine of a type, as DescribeInstanceTypes describes it, recognize its data disk? Pure."""
    if found.get("Hypervisor") == "xen":
        yield Problem(
            f"{kind} is a Xen type, on which a machine cannot recognize its data disk: set a Nitro type in "
            f"`{setting}`, like t4g or t3 instead of t2, or m7g or m7i instead of m4"
        )


def judge_processor(kind: str, found: Mapping[str, Any], setting: str) -> Iterator[Problem]:
    """Has a type, as DescribeInstanceTypes describes it, the processor that its name says? Pure.

    Images, prices and the other types of the cluster are chosen by the name.
    """
    supported = found.get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    if architecture(kind) not in supported:
        yield Problem(
            f"{kind} runs {', '.join(supported) or 'no known'} images, which cloudJHub does not build for it: set "
            f"another type in `{setting}`, like t4g.medium or t3.medium"
        )


def kept_problems(site: Site) -> Iterator[Problem]:
    """Machines that exist and would get another processor, for example by a new default."""
    settings = site.settings
    for manager in found_by_tags(site.aws, site.cluster, ROLE_MANAGER):
        yield from judge_managers_processor(str(manager["InstanceType"]), settings.manager.type)
    if (image := images.current(site.aws, site.cluster)) and not settings.workers.image:
        for found in site.aws.client("ec2").describe_images(
            Filters=[{"Name": "image-id", "Values": [image]}]
        )["Images"]:
            yield from judge_workers_processor(found["Architecture"], settings.workers)


def judge_managers_processor(had: str, wanted: str) -> Iterator[Problem]:
    """The manager's type, and that of the settings. Pure."""
    if architecture(had) != architecture(wanted):
        yield warning(
            f"the manager is a {had} ({architecture(had)}) and would be replaced by a {wanted} "
            f"({architecture(wanted)}): to keep it, set `manager.type: {had}`"
        )


def judge_workers_processor(had: str, workers: Workers) -> Iterator[Problem]:
    """The architecture of the image in use, and the types of the settings. Pure."""
    wanted, setting = workers.all_types, workers.types_setting
    kind = architecture(wanted[0])
    if had != kind:
        yield warning(
            f"users' machines are {had}, and `{setting}` ({', '.join(wanted)}) are {kind}: an image for them would "
            "be built, and what users have compiled or installed with pip or conda in their homes does not run there. "
            f"To keep {had}, set `{setting}` to the types that your users have"
        )


def judge_manager(kind: str, found: Mapping[str, Any], users: int) -> Iterator[Problem]:
    """Is the memory of the manager's type, as DescribeInstanceTypes describes it, enough for the users? Pure."""
    gib = found["MemoryInfo"]["SizeInMiB"] / 1024
    serves = round(gib * USERS_A_GIB)
    if users > serves:
        yield warning(
            f"{users} users are expected, and a manager of the type {kind} with {gib:g} GB memory serves about "
            f"{serves}: set a larger type in `manager.type`"
        )


def judge_free(kind: str, found: Mapping[str, Any], setting: str) -> Iterator[Problem]:
    """Does the free plan allow a type, as DescribeInstanceTypes describes it? Pure."""
    if not found.get("FreeTierEligible"):
        yield Problem(
            f"the account has AWS's free plan, which excludes {kind}: upgrade the account to the paid plan, or set a "
            f"type that is eligible for the free tier in `{setting}`"
        )


def _described_settings(site: Site) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Setting, type, and its description; unknown types are reported by `judge_type`."""
    workers = site.settings.workers
    wanted = [(workers.types_setting, kind) for kind in workers.all_types]
    wanted.append(("manager.type", site.settings.manager.type))
    known = described(site, [kind for _, kind in wanted])
    for setting, kind in wanted:
        if kind in known:
            yield setting, kind, known[kind]


def described(site: Site, kinds: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """The types that exist, as DescribeInstanceTypes describes them."""
    pages = (
        site.aws.client("ec2")
        .get_paginator("describe_instance_types")
        .paginate(Filters=[{"Name": "instance-type", "Values": sorted(set(kinds))}])
    )
    return {str(one["InstanceType"]): one for page in pages for one in page["InstanceTypes"]}


def judge_zones(site: Site, wanted: Sequence[str]) -> list[Problem]:
    """Zones that the settings name but the region does not have."""
    there = all_zones(site)
    return [
        Problem(
            f"there is no zone {zone} in {site.aws.region}: choose `network.zones` from {', '.join(there)}"
        )
        for zone in dict.fromkeys(wanted)
        if zone not in there
    ]


def zones(site: Site) -> tuple[str, list[str]]:
    """The manager's zone, and those of the workers, as the network has or will have them."""
    network = site.settings.network
    if network.is_ours and not site.outputs(names.network_stack(network.name)):
        chosen = list(network.zones) or all_zones(site)[:ZONES_BY_DEFAULT]
        return chosen[0], chosen
    built = site.network()
    ids = [built.manager_subnet, *built.worker_subnets]
    found = site.aws.client("ec2").describe_subnets(Filters=[{"Name": "subnet-id", "Values": ids}])["Subnets"]
    zone_of = {one["SubnetId"]: one["AvailabilityZone"] for one in found}
    workers = [zone_of[one] for one in built.worker_subnets if one in zone_of]
    return zone_of.get(built.manager_subnet, workers[0] if workers else ""), workers


def all_zones(site: Site) -> list[str]:
    """The region's own zones, without local ones, in the order of their names."""
    found = site.aws.client("ec2").describe_availability_zones(
        Filters=[{"Name": "state", "Values": ["available"]}]
    )["AvailabilityZones"]
    return sorted(
        one["ZoneName"] for one in found if one.get("ZoneType", "availability-zone") == "availability-zone"
    )


def offers(site: Site, kinds: Sequence[str]) -> dict[str, set[str]]:
    """The zones in which each type is offered."""
    pages = (
        site.aws.client("ec2")
        .get_paginator("describe_instance_type_offerings")
        .paginate(
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": list(dict.fromkeys(kinds))}],
        )
    )
    found: dict[str, set[str]] = {}
    for page in pages:
        for one in page["InstanceTypeOfferings"]:
            found.setdefault(one["InstanceType"], set()).add(one["Location"])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An image, the instance type that runs it, and their settings. The disk in GB."""

    base: str
    """A `Base`, or an AMI's id."""
    instance_type: str
    disk: int
    setting: str
    disk_setting: str


def image_problems(site: Site) -> Iterator[Problem]:
    """Images that do not exist or do not fit their machines."""
    for wanted in wanted_images(site):
        try:
            found = base_image(site.aws, wanted.base, architecture(wanted.instance_type))
            judge_disk(found.image, found.root_size, wanted.disk, wanted.disk_setting)
        except (Refused, SettingsError) as refusal:
            yield Problem(str(refusal))
        except ClientError as error:
            if code_of(error) != "ParameterNotFound":
                raise
            yield Problem(
                f"AWS has no {wanted.base} image in {site.aws.region}: set `{wanted.setting}` to an AMI's id"
            )


def wanted_images(site: Site) -> list[Wanted]:
    """The images of the workers and of the manager."""
    workers, manager = site.settings.workers, site.settings.manager
    return [
        Wanted(
            base=workers.image or workers.base,
            instance_type=workers.all_types[0],
            disk=workers.disk,
            setting="workers.image" if workers.image else "workers.base",
            disk_setting="workers.disk",
        ),
        Wanted(
            base=manager.base,
            instance_type=manager.type,
            disk=manager.disk,
            setting="manager.base",
            disk_setting="manager.disk",
        ),
    ]
