"""Steps: the roles of manager, workers and image builders; and the secrets in Parameter Store."""

from dataclasses import replace
from datetime import UTC, datetime

from bootstrap.aws import names, secrets, stacks
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster.steps.step import Change, Kind, stack_changes
from bootstrap.cluster.templates.access import access_template
from bootstrap.cluster.templates.parts import Template
from bootstrap.errors import NotBuilt
from bootstrap.machines import tls
from lifecycle_app.contract import TAG_CLUSTER


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


CERTIFICATES = {
    tls.Wanted.CREATE: Change(Kind.CREATE, "the manager's certificate", "in Parameter Store, with its key"),
    tls.Wanted.CHANGE: Change(
        Kind.CHANGE, "the manager's certificate", "taken up within 15 minutes; nobody is logged out"
    ),
}


class Secrets:
    """Makes the secrets that do not exist yet, and keeps the certificate valid for the manager's address."""

    name = "secrets"

    def changes(self, site: Site) -> list[Change]:
        there = set(secrets.names(site.aws.client("ssm"), site.cluster))
        missing = [name for name in secrets.MAKERS if secrets.parameter(site.cluster, name) not in there]
        changes = [Change(Kind.CREATE, f"{len(missing)} secrets", "in Parameter Store")] if missing else []
        try:
            what, _ = tls.wanted(site, datetime.now(UTC))
        except NotBuilt:  # the address is not known before the place is built
            what = tls.Wanted.CREATE
        return [*changes, CERTIFICATES[what]] if what in CERTIFICATES else changes

    def apply(self, site: Site, report: Report) -> None:
        report("storing secrets in Parameter Store")
        secrets.ensure(site.aws.client("ssm"), site.cluster)
        tls.ensure(site, datetime.now(UTC))

    def removals(self, site: Site) -> list[Change]:
        found = secrets.names(site.aws.client("ssm"), site.cluster)
        return [Change(Kind.REMOVE, f"{len(found)} secrets", "from Parameter Store")] if found else []

    def remove(self, site: Site, report: Report) -> None:
        report("removing the secrets")
        secrets.remove(site.aws.client("ssm"), site.cluster)
