"""Step: the cluster's security groups, the addresses that its manager keeps, and their DNS records."""

from bootstrap.aws import names, stacks
from bootstrap.aws.site import Site
from bootstrap.cluster import holders
from bootstrap.cluster.dns import records as dns
from bootstrap.cluster.steps.network import other_clusters
from bootstrap.cluster.steps.step import StackStep
from bootstrap.cluster.templates.parts import Template
from bootstrap.cluster.templates.place import Position, place_template
from bootstrap.config.choices import Egress, Https
from bootstrap.config.settings import ClusterSettings
from bootstrap.errors import Refused

HTTP_PORT = 80


class Place(StackStep):
    """The stack of security groups, the manager's network interface and its public address."""

    name = "place"
    created = "3 security groups, the manager's addresses"
    removed = "the manager's public address is released"

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
        forwards, zone = _forwards(site.settings), dns.zone_of(site)
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
            )
        )


def public_ports(settings: ClusterSettings) -> tuple[int, ...]:
    """The ports for browsers: with HTTPS also 80, which redirects, and where Let's Encrypt validates."""
    port = settings.manager.port
    return (port,) if settings.manager.https is Https.NONE else tuple(sorted({HTTP_PORT, port}))


def _forwards(settings: ClusterSettings) -> bool:
    return settings.network.is_ours and settings.network.egress.manager_forwards


def _worker_routes(site: Site) -> str:
    return site.outputs(names.network_stack(site.settings.network.name))["WorkerRoutes"]


def _refuse_second(site: Site, vpc: str) -> None:
    """One route table has one default route, and it leads to one manager."""
    if _forwards(site.settings) and (others := other_clusters(site, vpc)):
        raise Refused(
            f"the workers of network {site.settings.network.name} reach the internet through the manager of "
            f"{', '.join(others)}, which can serve no other cluster: give another network.name"
        )
