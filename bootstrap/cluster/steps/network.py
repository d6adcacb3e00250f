"""Step: the network, which the first cluster that names it creates and the last one removes."""

from typing import Any

from bootstrap.aws import names, stacks
from bootstrap.aws.instances import LIVE, matching, tags_of
from bootstrap.aws.site import Site
from bootstrap.aws.tags import tags_of_cluster
from bootstrap.aws.waiting import Report
from bootstrap.cluster import holders
from bootstrap.cluster.steps.step import Change, StackStep
from bootstrap.cluster.templates.network import network_template
from bootstrap.cluster.templates.parts import TAG_NETWORK, Template
from bootstrap.cluster.templates.place import without_forwarding
from bootstrap.config.choices import Egress
from bootstrap.config.settings import ZONES_BY_DEFAULT
from bootstrap.errors import Refused, SettingsError
from lifecycle_app.contract import TAG_CLUSTER


class NetworkStep(StackStep):
    """The stack of the network that the settings name; nothing where they name an existing VPC."""

    name = "network"
    removed = "no cluster is left in it"

    def stack(self, site: Site) -> str:
        """The stack's name, which clusters share."""
        return _stack(site)

    def tags(self, site: Site) -> dict[str, str]:
        """The tags of the stack and of what it holds. A network that other clusters use keeps those that it has."""
        stack = stacks.current(site.aws.client("cloudformation"), _stack(site))
        has = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])} if stack else {}
        own = has if has and _users(site) else site.settings.tags
        return {**own, TAG_NETWORK: site.settings.network.name}

    def holders(self, site: Site) -> list[str]:
        """What others have put into the VPC."""
        found = stacks.physical_ids(site.aws.client("cloudformation"), _stack(site), "AWS::EC2::VPC")
        return [line for vpc in found for line in holders.in_vpc(site.aws, vpc)]

    def template(self, site: Site) -> Template:
        """Raises Refused where another cluster in the network needs what the settings would change."""
        wanted = site.settings.network
        try:
            template = network_template(wanted.name, wanted.cidr, _zones(site), wanted.egress)
        except ValueError as error:
            raise SettingsError(f"network.cidr: {error}") from error
        _refuse_other_ipv6(wanted.name, _present(site), template)
        _refuse_to_disturb(site, template)
        return template

    def changes(self, site: Site) -> list[Change]:
        """See `Step`."""
        return super().changes(site) if site.settings.network.is_ours else []

    def apply(self, site: Site, report: Report) -> None:
        """See `Step`."""
        if not site.settings.network.is_ours:
            return
        if not site.settings.network.egress.manager_forwards:
            self.template(site)  # refuses before anything is changed
            _end_forwarding(site, report)
        super().apply(site, report)

    def removals(self, site: Site) -> list[Change]:
        """See `Step`."""
        return super().removals(site) if site.settings.network.is_ours and not _users(site) else []

    def remove(self, site: Site, report: Report) -> None:
        """See `Step`."""
        if not site.settings.network.is_ours:
            return
        if users := _users(site):
            report(f"keeping the network {site.settings.network.name}, which {', '.join(users)} use")
            return
        super().remove(site, report)


def _stack(site: Site) -> str:
    return names.network_stack(site.settings.network.name)


def _users(site: Site) -> list[str]:
    vpc = site.outputs(_stack(site)).get("Vpc")
    return other_clusters(site, vpc) if vpc else []


def _zones(site: Site) -> tuple[str, ...]:
    """The zones of the settings; else those that the network is in already; else the first of the region."""
    if site.settings.network.zones:
        return site.settings.network.zones
    built = _zones_of(_present(site))
    if built:
        return built
    found = site.aws.client("ec2").describe_availability_zones(
        Filters=[
            {"Name": "state", "Values": ["available"]},
            {"Name": "zone-type", "Values": ["availability-zone"]},
        ]
    )
    return tuple(sorted(zone["ZoneName"] for zone in found["AvailabilityZones"])[:ZONES_BY_DEFAULT])


def _present(site: Site) -> Template:
    """The template that the network has; {} where there is none."""
    client = site.aws.client("cloudformation")
    return stacks.template_of(client, _stack(site)) if stacks.outputs(client, _stack(site)) else {}


def _zones_of(template: Template) -> tuple[str, ...]:
    resources = template.get("Resources", {})
    subnets = [
        (int(name.removeprefix("WorkerSubnet")), one["Properties"]["AvailabilityZone"])
        for name, one in resources.items()
        if one["Type"] == "AWS::EC2::Subnet" and name.startswith("WorkerSubnet")
    ]
    return tuple(zone for _, zone in sorted(subnets))


def _refuse_to_disturb(site: Site, wanted: Template) -> None:
    """A network that others use keeps its addresses and its way out; zones may be added to it."""
    present = _present(site)
    if not present:
        return
    different = [what for what, of in ASPECTS.items() if of(present) != of(wanted)]
    if _zones_of(present) != _zones_of(wanted)[: len(_zones_of(present))]:
        different.append("zones")
    if different and (users := _users(site)):
        raise Refused(
            f"the network {site.settings.network.name} has other {' and '.join(different)} than cluster.yaml says, and "
            f"{', '.join(users)} use it: take over its settings, or give another network.name"
        )


def _refuse_other_ipv6(network: str, present: Template, wanted: Template) -> None:
    """A network has IPv6 from its creation on or never. See docs/decisions/0065."""
    if not present:
        return
    has, wants = _egress_of(present), _egress_of(wanted)
    if has != wants and Egress.DUAL_STACK in (has, wants):
        others = [one for one in Egress if one not in (Egress.DUAL_STACK, has)]
        fix = f"{has}, or to {' or '.join(others)}" if wants == Egress.DUAL_STACK else str(has)
        raise Refused(
            f"the network {network} was built with egress {has}, and IPv6 cannot be added to a network or taken away: "
            f"set `network.egress` to {fix}"
        )


def _cidr_of(template: Template) -> Any:
    return template["Resources"]["Vpc"]["Properties"]["CidrBlock"]


def _egress_of(template: Template) -> Any:
    return template["Outputs"]["Egress"]["Value"]


ASPECTS = {"cidr": _cidr_of, "egress": _egress_of}


def _end_forwarding(site: Site, report: Report) -> None:
    """Where this cluster's manager is the workers' way out, that route must go before the new one can come."""
    present = _present(site)
    if not present or not Egress(_egress_of(present)).manager_forwards:
        return
    client, place = site.aws.client("cloudformation"), names.stack(site.cluster, "place")
    if stacks.outputs(client, place):
        report("the manager ends forwarding: workers are without internet until the new way is there")
        template = without_forwarding(stacks.template_of(client, place))
        stacks.apply(client, place, template, tags=tags_of_cluster(site.settings), report=report)


def other_clusters(site: Site, vpc: str) -> list[str]:
    """The names of the clusters beside ours, sorted."""
    here = {"vpc-id": [vpc], "tag-key": [TAG_CLUSTER]}
    filters = [{"Name": name, "Values": values} for name, values in here.items()]
    pages = site.aws.client("ec2").get_paginator("describe_security_groups").paginate(Filters=filters)  # type: ignore[arg-type]
    groups = [group for page in pages for group in page["SecurityGroups"]]
    instances = matching(site.aws, {**here, "instance-state-name": LIVE})
    return sorted({tags_of(one)[TAG_CLUSTER] for one in (*groups, *instances)} - {site.cluster})
