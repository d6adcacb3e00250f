"""Steps: the roles of manager, workers, image builders and functions; and the secrets in Parameter Store."""

from dataclasses import replace
from datetime import UTC, datetime

from bootstrap.aws import secrets
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster.dns import records as dns
from bootstrap.cluster.steps.step import Change, Kind, StackStep
from bootstrap.cluster.templates.cluster import BillAlarm, access_template
from bootstrap.cluster.templates.parts import Template
from bootstrap.errors import NotBuilt
from bootstrap.machines import tls


class Access(StackStep):
    """The stack of the roles and their instance profiles, narrowed to the cluster's place; of the daily backups and the
    alarm about the bill.
    """

    name = "access"
    created = "the roles of manager, workers, builder and functions; the daily backups of homes"
    removed = "roles and instance profiles; no more backups are made of homes"

    def template(self, site: Site) -> Template:
        """Raises NotBuilt before there are network and place."""
        image = site.settings.workers.image
        scope = replace(
            site.scope,
            subnets=site.network().worker_subnets,
            security_groups=(site.place()["WorkerGroup"],),
            images=(image,) if image else (),
            challenge=dns.challenge(site),
        )
        dollars = site.settings.bill_alarm
        alarm = BillAlarm(address=site.settings.alerts, dollars=dollars) if dollars else None
        return access_template(scope, site.settings.workers.backups_kept, alarm)


CERTIFICATES = {
    tls.Wanted.CREATE: Change(Kind.CREATE, "the manager's certificate", "in Parameter Store, with its key"),
    tls.Wanted.CHANGE: Change(
        Kind.CHANGE, "the manager's certificate", "used within 15 minutes; no user is logged out"
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
        secrets.ensure(site.aws.client("ssm"), site.cluster, site.settings.tags, site.settings.kms_key)
        tls.ensure(site, datetime.now(UTC))

    def removals(self, site: Site) -> list[Change]:
        found = secrets.names(site.aws.client("ssm"), site.cluster)
        return [Change(Kind.REMOVE, f"{len(found)} secrets", "from Parameter Store")] if found else []

    def remove(self, site: Site, report: Report) -> None:
        report("removing the secrets")
        secrets.remove(site.aws.client("ssm"), site.cluster)
