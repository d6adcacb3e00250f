"""What `doctor` does: gathers the facts about a built cluster, topic by topic, and lists what is wrong."""

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.aws import names, secrets
from bootstrap.aws.instances import found_by_tags, volumes_by_tags
from bootstrap.aws.site import Site
from bootstrap.cluster import building
from bootstrap.cluster.dns import records as dns
from bootstrap.cluster.dns.resolving import addresses, alias
from bootstrap.cluster.monitoring.alarms import silence
from bootstrap.config.choices import Https
from bootstrap.errors import BootstrapError
from bootstrap.machines import hub_log, state_volume
from bootstrap.machines.address import reached_at
from bootstrap.machines.hub_backups import backups
from bootstrap.machines.image.images import current
from bootstrap.machines.manager_request import ROLE_MANAGER
from bootstrap.operations.health import facts, findings
from bootstrap.operations.health.facts import asked_hub, waiting
from bootstrap.operations.workers.listing import listed_workers, store_of
from bootstrap.preflight import permissions
from lifecycle_app.contract import ROLE_WORKER

ROLE_BUILDER = "builder"
RENEWALS = {
    Https.LETS_ENCRYPT: "the manager renews it; its DNS record must point to the manager: see `cloudjhub logs manager`",
    Https.OWN: "put a new one where `manager.certificate` says, and run `cloudjhub up`",
    Https.SELF_SIGNED: "run `cloudjhub up`, which makes a new one",
    Https.NONE: "",
}
RECENTLY = timedelta(minutes=5)
"""A hub that cannot start says why at each try, every few seconds."""
Check = Callable[[Site, datetime], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Checked:
    """One topic, and what is wrong there: a line each that says what to do. [] if nothing is."""

    topic: str
    wrong: list[str]


def check(site: Site, now: datetime) -> list[Checked]:
    """Everything, topic by topic. Without valid credentials only that."""
    if unknown := permissions.credential_problems(site):
        return [Checked("credentials", [problem.line for problem in unknown])]
    return [Checked(topic, _checked(one, site, now)) for topic, one in CHECKS.items()]


def _checked(one: Check, site: Site, now: datetime) -> list[str]:
    """What a check finds; where it could not run, why not."""
    try:
        return list(one(site, now))
    except (ClientError, BotoCoreError, BootstrapError) as error:
        return [f"could not be checked: {error}"]


def _hub(site: Site, now: datetime) -> list[str]:
    hub = asked_hub(site)
    if not hub.trouble:
        return []
    said = hub_log.refusals(site.aws, site.cluster, now - RECENTLY)
    why = f"{hub.trouble}: it does not start: {said[-1]}" if said else hub.trouble
    return [f"the hub does not answer at {hub.url or 'any address'}: {why}: see `cloudjhub logs manager`"]


def _domain(site: Site, _: datetime) -> list[str]:
    zone, address = dns.records_zone(site), reached_at(site.place())
    wrong = [
        findings.names(name, addresses(name), addresses(name, socket.AF_INET6), address, str(zone or ""))
        for name in dns.served(site.settings.manager)
    ]
    if needed := dns.delegation(site):
        wrong.append(findings.delegation(needed.name, needed.value, alias(needed.name)))
    return [line for of_name in wrong for line in of_name]


def _certificate(site: Site, now: datetime) -> list[str]:
    return findings.certificate(facts.certificate_validity(site), now, RENEWALS[site.settings.manager.https])


def _manager(site: Site, _: datetime) -> list[str]:
    found = found_by_tags(site.aws, site.cluster, ROLE_MANAGER)
    states = {one["InstanceId"]: str(one["State"]["Name"]) for one in found}
    disks = findings.state_disk(state_volume.every(site.aws, site.cluster), states)
    return [*findings.manager(states), *disks]


def _updates(site: Site, now: datetime) -> list[str]:
    launched = [one["LaunchTime"] for one in found_by_tags(site.aws, site.cluster, ROLE_MANAGER)]
    if not launched:
        return []  # another check reports a missing manager
    window = site.settings.manager.reboot_window
    return findings.freshness(facts.freshness(site, now), window, max(launched), now)


def _backups(site: Site, now: datetime) -> list[str]:
    launched = [one["LaunchTime"] for one in found_by_tags(site.aws, site.cluster, ROLE_MANAGER)]
    if not launched:
        return []
    found = backups(site)
    return findings.backups(found[0].at if found else None, max(launched), now)


def _home_backups(site: Site, _: datetime) -> list[str]:
    return findings.backup_policy(facts.backup_policy(site))


def _image(site: Site, now: datetime) -> list[str]:
    image = site.settings.workers.image or current(site.aws, site.cluster) or ""
    state, made = facts.image(site, image) if image else ("", None)
    return findings.image(image, state, made, now)


def _functions(site: Site, now: datetime) -> list[str]:
    schedules = site.settings.timing
    limits = {
        "record_activity": silence(schedules.record_schedule),
        "sweep": silence(schedules.sweep_schedule),
        "reconcile": silence(schedules.reconcile_schedule),
        "remove_stopped": silence(schedules.removal_schedule),
    }
    runs = {handler: facts.last_run(site, names.function(site.cluster, handler)) for handler in limits}
    times = {
        handler: facts.deployed(site, names.function(site.cluster, handler))
        for handler, last in runs.items()
        if last is None
    }
    deployed = {handler: at for handler, at in times.items() if at is not None}
    errors = {
        handler: facts.last_error(site, names.function(site.cluster, handler), now)
        for handler in names.HANDLERS
    }
    return [*findings.last_runs(runs, deployed, limits, now), *findings.errors(errors)]


def _dead_letters(site: Site, _: datetime) -> list[str]:
    return findings.dead_letters(waiting(site), names.dead_letter_queue(site.cluster))


def _alarms(site: Site, _: datetime) -> list[str]:
    return findings.alarms(facts.alarms_in_alarm(site))


def _workers(site: Site, now: datetime) -> list[str]:
    scan = store_of(site).scan()
    wrong = findings.workers(listed_workers(site, now), scan.workers, now)
    bad = findings.bad_records(scan.bad, names.table(site.cluster, "workers"))
    return [*bad, *findings.unusable_homes(scan.workers), *wrong]


def _orphans(site: Site, now: datetime) -> list[str]:
    scan = store_of(site).scan()
    homes = {one.home_volume for one in scan.workers if one.home_volume}
    homes |= {one.home_volume for one in scan.bad}
    builders = {
        one["InstanceId"]: one["LaunchTime"] for one in found_by_tags(site.aws, site.cluster, ROLE_BUILDER)
    }
    return findings.orphans(volumes_by_tags(site.aws, site.cluster, ROLE_WORKER), builders, homes, now)


def _secrets(site: Site, _: datetime) -> list[str]:
    wanted = [secrets.parameter(site.cluster, name) for name in secrets.MAKERS]
    return findings.secrets(wanted, secrets.names(site.aws.client("ssm"), site.cluster))


def _roles(site: Site, _: datetime) -> list[str]:
    wanted = facts.wanted_policies(site)
    return findings.roles(wanted, facts.found_policies(site, list(wanted)))


def _drift(site: Site, _: datetime) -> list[str]:
    changes = building.changes(site)
    return findings.drift(
        {step: [f"{one.kind} {one.what}" for one in of_step] for step, of_step in changes.items()}
    )


def _clock(site: Site, now: datetime) -> list[str]:
    return findings.clock(facts.clock_skew(site, now))


def _permissions(site: Site, _: datetime) -> list[str]:
    return [problem.line for problem in permissions.problems(site) if problem.refuses]


CHECKS: Mapping[str, Check] = {
    "clock": _clock,
    "permissions": _permissions,
    "hub": _hub,
    "domain": _domain,
    "certificate": _certificate,
    "manager": _manager,
    "manager's updates": _updates,
    "backups": _backups,
    "home backups": _home_backups,
    "worker image": _image,
    "functions": _functions,
    "dead-letter queue": _dead_letters,
    "alarms": _alarms,
    "workers": _workers,
    "left behind": _orphans,
    "secrets": _secrets,
    "roles": _roles,
    "settings": _drift,
}
