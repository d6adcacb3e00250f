"""The roles of manager, workers and image builders, narrowed to the cluster's own place."""

from dataclasses import replace

from bootstrap.aws import names, stacks
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster.steps.stack_changes import stack_changes
from bootstrap.cluster.steps.step import Change, Kind
from bootstrap.cluster.templates.access import access_template
from bootstrap.cluster.templates.parts import Template
from bootstrap.errors import NotBuilt
from lifecycle_app.model.worker import TAG_CLUSTER


class Access:
    """The stack of the roles and their instance profiles."""

    name = "access"

    def changes(self, site: Site) -> list[Change]:
        try:
            template = _wanted(site)
        except NotBuilt:
            return [Change(Kind.CREATE, f"stack {_stack(site)}", "the roles of manager, workers and builder")]
        client = site.aws.client("cloudformation")
        return stack_changes(client, _stack(site), template, {TAG_CLUSTER: site.cluster})

    def apply(self, site: Site, report: Report) -> None:
        client = site.aws.client("cloudformation")
        stacks.apply(client, _stack(site), _wanted(site), tags={TAG_CLUSTER: site.cluster}, report=report)

    def removals(self, site: Site) -> list[Change]:
        there = stacks.current(site.aws.client("cloudformation"), _stack(site))
        return [Change(Kind.REMOVE, f"stack {_stack(site)}", "roles and instance profiles")] if there else []

    def remove(self, site: Site, report: Report) -> None:
        stacks.remove(site.aws.client("cloudformation"), _stack(site), report)


def _stack(site: Site) -> str:
    return names.stack(site.cluster, "access")


def _wanted(site: Site) -> Template:
    """Raises NotBuilt before there are network and place."""
    image = site.settings.workers.image
    scope = replace(
        site.scope,
        subnets=site.network().worker_subnets,
        security_groups=(site.place()["WorkerGroup"],),
        images=(image,) if image else (),
    )
    return access_template(scope)
