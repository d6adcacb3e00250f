"""Step: the cluster's security groups, the addresses that its manager keeps, and their DNS records."""

from datetime import timedelta

from bootstrap.aws import names, stacks
from bootstrap.aws.site import BuiltNetwork, Site
from bootstrap.aws.waiting import Report, polls, sparing
from bootstrap.cluster import holders
from bootstrap.cluster.dns import records as dns
from bootstrap.cluster.routing import tables_of
from bootstrap.cluster.steps.network import other_clusters
from bootstrap.cluster.steps.step import StackStep
from bootstrap.cluster.templates.endpoints import GATEWAYS, Endpoints, one_a_zone, provided
from bootstrap.cluster.templates.network import ANYWHERE
from bootstrap.cluster.templates.parts import Template
from bootstrap.cluster.templates.place import PRIVATE_RANGES, Position, place_template
from bootstrap.config.choices import INTERFACE_ENDPOINTS, Egress, Https
from bootstrap.config.settings import ClusterSettings
from bootstrap.errors import Refused

HTTP_PORT = 80
INTERFACES_GO_WITHIN = timedelta(minutes=45)
"""More than twice what AWS documents; after it the removal fails and says what is left."""
LOOK_EVERY = 10.0
"""Seconds."""


class Place(StackStep):
    """The stack of security groups, the manager's network interface and its public address."""

    name = "place"
    created = "3 security groups, the manager's addresses"
    removed = "the manager's public address is released"

    def remove(self, site: Site, report: Report) -> None:
        """See `Step`."""
        _await_functions(site, report)
        super().remove(site, report)

    def holders(self, site: Site) -> list[str]:
        """What others have put into the security groups. The VPC may be the institution's, full of other things."""
        client = site.aws.client("cloudformation")
        groups = stacks.physical_ids(client, self.stack(site), "AWS::EC2::SecurityGroup")
        return holders.of_groups(site.aws, groups)

    def template(self, site: Site) -> Template:
        """Raises NotBuilt before there is a network, and Refused where the network cannot serve one cluster more, or
        where a foreign DNS record is in the way.
        """
        network = site.network()
        _refuse_second(site, network.vpc)
        forwards, zone = _forwards(site.settings), dns.records_zone(site)
        return place_template(
            Position(
                cluster=site.cluster,
                vpc=network.vpc,
                subnet=network.manager_subnet,
                ports=public_ports(site.settings),
                private_address=site.settings.manager.private_address,
                forwards_for=_worker_routes(site) if forwards else "",
                has_ipv6=forwards and site.settings.network.egress is Egress.DUAL_STACK,
                zone=zone.id if zone else "",
                names=tuple(dns.records_to_make(site, zone)) if zone else (),
                is_private=site.settings.network.private,
                sources=sources(site.settings),
                port=site.settings.manager.port,
                endpoints=_endpoints(site, network) if site.settings.network.endpoints else None,
            )
        )


def public_ports(settings: ClusterSettings) -> tuple[int, ...]:
    """The ports for browsers: with HTTPS also 80, which redirects, and where Let's Encrypt validates."""
    port = settings.manager.port
    return (port,) if settings.manager.https is Https.NONE else tuple(sorted({HTTP_PORT, port}))


def sources(settings: ClusterSettings) -> tuple[str, ...]:
    """The ranges that the security group admits to these ports.

    Of a cluster with a public address all: nginx refuses the others (docs/decisions/0051), for the functions come from
    anywhere. Those of a private one run in the VPC.
    """
    network = settings.network
    if not network.private:
        return (ANYWHERE,)
    return tuple(str(one) for one in network.allowed_networks) or PRIVATE_RANGES


def _forwards(settings: ClusterSettings) -> bool:
    return settings.network.is_ours and settings.network.egress.manager_forwards


def _endpoints(site: Site, network: BuiltNetwork) -> Endpoints:
    """Those that no one else has made in the VPC: a name of AWS's can lead to one endpoint only."""
    ec2, here = site.aws.client("ec2"), [{"Name": "vpc-id", "Values": [network.vpc]}]
    pages = ec2.get_paginator("describe_vpc_endpoints").paginate(Filters=here)  # type: ignore[arg-type]
    found = [one for page in pages for one in page["VpcEndpoints"]]
    others = provided(found, site.aws.region, site.cluster)
    ids = (*network.worker_subnets, network.manager_subnet)
    described = ec2.describe_subnets(SubnetIds=list(dict.fromkeys(ids)))["Subnets"]
    zones = {one["SubnetId"]: one["AvailabilityZone"] for one in described}
    tables = ec2.describe_route_tables(Filters=here)["RouteTables"]  # type: ignore[arg-type]
    return Endpoints(
        region=site.aws.region,
        services=tuple(one for one in (*INTERFACE_ENDPOINTS, *GATEWAYS) if one not in others),
        subnets=one_a_zone({one: zones[one] for one in network.worker_subnets if one in zones}),
        tables=tables_of(ids, tables),
    )


def _await_functions(site: Site, report: Report) -> None:
    """Lambda keeps its network interfaces for a while after the functions are gone, and they hold the group."""
    group = site.outputs(names.stack(site.cluster, "place")).get("FunctionGroup")
    if not group:
        return
    here = [{"Name": "group-id", "Values": [group]}]
    progress = sparing(report)
    for _ in polls(INTERFACES_GO_WITHIN.total_seconds(), every=LOOK_EVERY):
        found = site.aws.client("ec2").describe_network_interfaces(Filters=here)["NetworkInterfaces"]  # type: ignore[arg-type]
        if not any(one["InterfaceType"] == "lambda" for one in found):
            return
        progress(
            "waiting until Lambda has removed the functions' network interfaces, which takes up to 20 minutes"
        )


def _worker_routes(site: Site) -> str:
    return site.outputs(names.network_stack(site.settings.network.name))["WorkerRoutes"]


def _refuse_second(site: Site, vpc: str) -> None:
    """One route table has one default route, and it leads to one manager."""
    if _forwards(site.settings) and (others := other_clusters(site, vpc)):
        raise Refused(
            f"the workers of network {site.settings.network.name} reach the internet through the manager of "
            f"{', '.join(others)}, which can serve no other cluster: give another network.name"
        )
