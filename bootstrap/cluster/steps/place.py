"""Step: the cluster's security groups, and the addresses that its manager keeps."""

from bootstrap.aws import names, stacks
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster.steps.network import other_clusters
from bootstrap.cluster.steps.step import Change, Kind, stack_changes
from bootstrap.cluster.templates.parts import Template
from bootstrap.cluster.templates.place import Position, place_template
from bootstrap.config.choices import Egress, Https
from bootstrap.config.settings import ClusterSettings
from bootstrap.errors import NotBuilt, Refused
from lifecycle_app.contract import TAG_CLUSTER

HTTP_PORT = 80


class Place:
    """The stack of security groups, the manager's network interface and its public address."""

    name = "place"

    def changes(self, site: Site) -> list[Change]:
        try:
            template = _wanted(site)
        except NotBuilt:
            return [
                Change(Kind.CREATE, f"stack {_stack(site)}", "3 security groups, the manager's addresses")
            ]
        client = site.aws.client("cloudformation")
        return stack_changes(client, _stack(site), template, {TAG_CLUSTER: site.cluster})

    def apply(self, site: Site, report: Report) -> None:
        client = site.aws.client("cloudformation")
        stacks.apply(client, _stack(site), _wanted(site), tags={TAG_CLUSTER: site.cluster}, report=report)

    def removals(self, site: Site) -> list[Change]:
        if not stacks.current(site.aws.client("cloudformation"), _stack(site)):
            return []
        return [Change(Kind.REMOVE, f"stack {_stack(site)}", "the manager's public address is given back")]

    def remove(self, site: Site, report: Report) -> None:
        stacks.remove(site.aws.client("cloudformation"), _stack(site), report)


def _stack(site: Site) -> str:
    return names.stack(site.cluster, "place")


def _wanted(site: Site) -> Template:
    """Raises NotBuilt before there is a network, and Refused where the network cannot serve one cluster more."""
    network = site.network()
    _refuse_second(site, network.vpc)
    forwards = _forwards(site.settings)
    return place_template(
        Position(
            cluster=site.cluster,
            vpc=network.vpc,
            subnet=network.manager_subnet,
            ports=public_ports(site.settings),
            private_address=site.settings.manager.private_address,
            forwards_for=_worker_routes(site) if forwards else "",
        )
    )


def public_ports(settings: ClusterSettings) -> tuple[int, ...]:
    """What browsers reach: with HTTPS also the port that leads to it, where Let's Encrypt looks."""
    port = settings.manager.port
    return (port,) if settings.manager.https is Https.NONE else tuple(sorted({HTTP_PORT, port}))


def _forwards(settings: ClusterSettings) -> bool:
    return settings.network.is_ours and settings.network.egress is Egress.MANAGER


def _worker_routes(site: Site) -> str:
    return site.outputs(names.network_stack(site.settings.network.name))["WorkerRoutes"]


def _refuse_second(site: Site, vpc: str) -> None:
    """One route table has one default route, and it leads to one manager."""
    if _forwards(site.settings) and (others := other_clusters(site, vpc)):
        raise Refused(
            f"the workers of network {site.settings.network.name} reach the internet through the manager of "
            f"{', '.join(others)}, which can serve no other cluster: give another network.name"
        )
