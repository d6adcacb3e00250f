"""Step: the manager, one instance at the cluster's own address, with the disk that holds its state."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bootstrap.aws import instances, names, secrets
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report, polls, sparing
from bootstrap.cluster.dns import records as dns
from bootstrap.cluster.monitoring import recovery
from bootstrap.cluster.steps.step import Change, Kind
from bootstrap.config.choices import Https
from bootstrap.errors import BootstrapError, NotBuilt, Refused, StepFailed
from bootstrap.machines import bundle, hub_log, previous_manager, state_volume, tls
from bootstrap.machines.address import hub_answers, public_url, reached_at
from bootstrap.machines.base_images import architecture_of, base_image, judge_disk
from bootstrap.machines.hub_backups import backups
from bootstrap.machines.launch import TAG_CONTENT
from bootstrap.machines.manager.config import ManagerConfig
from bootstrap.machines.manager.secrets import TLS_KEY
from bootstrap.machines.manager_request import (
    ROLE_MANAGER,
    content,
    launch_request,
    manager_config,
)
from bootstrap.machines.previous_manager import Previous
from hub.config.authenticators import secrets_of

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

WITHIN = timedelta(minutes=15)
"""Until the hub of a new instance answers: packages, the proxy and, with Let's Encrypt, a certificate come first."""
RUNS_WITHIN = timedelta(minutes=10)
REPORT_EVERY = 15.0
CONSOLE_LINES = 15
TRIES = 3
"""How often the hub fails in the same way before that is final: AWS may not have answered it once."""
REPLACED = "users' browsers lose the connection for about three minutes; no worker stops"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the manager is to be, and where it stands."""

    config: ManagerConfig
    content: str
    interface: str
    zone: str


class ManagerMachine:
    """Launches the manager, replaces it where it is to be another, and waits until its hub answers."""

    name = "manager"

    def __init__(self, within: timedelta = WITHIN) -> None:
        self._within = within

    def changes(self, site: Site) -> list[Change]:
        kind = site.settings.manager.type
        volume = state_volume.find(site.aws, site.cluster)
        found = _existing(site)
        changes = [] if volume else [_new_disk(site)]
        if not found:
            return [*changes, Change(Kind.CREATE, "manager", kind)]
        if volume is None or not _is_as_wanted(site, found, volume["VolumeId"]):
            return [*changes, Change(Kind.REPLACE, "manager", REPLACED)]
        if found[0]["State"]["Name"] != "running":
            return [Change(Kind.CHANGE, "manager", "it is stopped and gets started")]
        if why := _silence(site):
            return [Change(Kind.CHANGE, "manager", f"its hub does not answer: {why}; it is waited for")]
        if not recovery.is_as_wanted(site, found[0]["InstanceId"]):
            return [Change(Kind.CHANGE, "the manager's alarms", "they recover and reboot it")]
        return []

    def apply(self, site: Site, report: Report) -> None:
        zone = _zone(site)
        volume = state_volume.ensure(site.aws, site.settings, zone, site.place()["ManagerInterface"])
        plan = _plan(site, volume, zone)
        _keep_replaced(site, plan.content)
        try:
            instance = self._machine(site, plan, report)
            self._bring_up(site, plan.config, instance, report)
        except (StepFailed, Refused) as error:
            previous = previous_manager.kept(site)
            if previous is None or previous.content == plan.content:
                raise
            self._roll_back(site, plan, previous, error, report)
        previous_manager.forget(site)

    def _bring_up(self, site: Site, config: ManagerConfig, instance: str, report: Report) -> None:
        """Return when the instance's hub answers. Raises StepFailed."""
        _await_running(site, instance, report)
        state_volume.attach(site.aws, config.state_volume, instance)
        self._await_hub(site, config, instance, report)
        recovery.apply(site, instance)

    def _roll_back(
        self, site: Site, plan: Plan, previous: Previous, error: BootstrapError, report: Report
    ) -> None:
        """Launch the previous manager again. Raises StepFailed in every case: the update was not made."""
        report(f"the new manager failed: {error}")
        report("going back to the previous manager")
        failed = [one["InstanceId"] for one in _existing(site)]
        if failed:
            instances.terminate(site.aws, failed, site.cluster, report)
        request = previous_manager.request(site, previous, plan.interface, plan.zone)
        try:
            self._bring_up(site, previous.config, instances.launch(site.aws, request), report)
        except (StepFailed, Refused) as second:
            raise StepFailed(f"{error}; and the previous manager does not answer either: {second}") from error
        previous_manager.forget(site)
        raise StepFailed(
            f"rolled back: the previous manager runs again, and its hub answers. The update failed: {error}"
        ) from error

    def removals(self, site: Site) -> list[Change]:
        machines = [Change(Kind.REMOVE, f"manager {one['InstanceId']}") for one in _existing(site)]
        disks = [
            Change(Kind.REMOVE, f"state disk {one['VolumeId']}", "accounts and sessions of JupyterHub")
            for one in state_volume.every(site.aws, site.cluster)
        ]
        alarms = [Change(Kind.REMOVE, f"alarm {name}") for name in recovery.existing(site)]
        return machines + disks + alarms

    def remove(self, site: Site, report: Report) -> None:
        recovery.remove(site)
        if found := [one["InstanceId"] for one in _existing(site)]:
            report("ending the manager")
            instances.terminate(site.aws, found, site.cluster, report)
        for disk in state_volume.every(site.aws, site.cluster):
            instances.delete_volume(site.aws, disk["VolumeId"])

    def _machine(self, site: Site, plan: Plan, report: Report) -> str:
        """The id of the one manager, launched or started if need be."""
        found = _existing(site)
        right = [one for one in found if instances.tags_of(one).get(TAG_CONTENT) == plan.content]
        wrong = [one["InstanceId"] for one in found if one not in right[:1]]
        if wrong:
            report(f"replacing the manager {', '.join(wrong)}: {REPLACED}")
            instances.terminate(site.aws, wrong, site.cluster, report)
        if not right:
            report("launching the manager")
            return instances.launch(site.aws, _request(site, plan))
        instance = right[0]["InstanceId"]
        if right[0]["State"]["Name"] in ("stopping", "stopped"):
            report(f"starting the manager {instance}")
            _await(site, instance, "stopped", report)
            instances.start(site.aws, instance)
        return instance

    def _await_hub(self, site: Site, config: ManagerConfig, instance: str, report: Report) -> None:
        """Return when the hub answers. Raises StepFailed with what the instance's console says."""
        progress, why, records = sparing(report, REPORT_EVERY), "", _records_needed(site)
        began, next_read = datetime.now(UTC), REPORT_EVERY
        for waited in polls(self._within.total_seconds()):
            why = _silence(site, config.public_url)
            if not why:
                return
            if waited >= next_read:
                _refuse_to_wait_in_vain(site, began)
                next_read = waited + REPORT_EVERY
            why += records if why.endswith("(yet)") else ""
            progress(f"waiting for the hub at {config.public_url}: {why}")
        raise StepFailed(_unanswered(site, config, instance, why))


def _refuse_to_wait_in_vain(site: Site, began: datetime) -> None:
    """Raises StepFailed if the hub has said again and again since then why it cannot start."""
    said = hub_log.refusals(site.aws, site.cluster, began)
    if len(said) >= TRIES:
        raise StepFailed(f"the hub does not start: {said[-1]}: fix this, then run `cloudjhub up` again")


def _new_disk(site: Site) -> Change:
    """A new one is empty: where there are backups, the database of a lost one can be brought back."""
    size = f"{site.settings.manager.state_disk} GB"
    lost = "; then `cloudjhub restore --at latest` brings back the database" if backups(site) else ""
    return Change(Kind.CREATE, "state disk", size + lost)


def _keep_replaced(site: Site, content: str) -> None:
    """Keep what the manager was launched with that is about to be replaced, if its hub answers."""
    found = _existing(site)
    if not found or content in [instances.tags_of(one).get(TAG_CONTENT) for one in found]:
        return
    if not _silence(site):
        previous_manager.keep(site, found[0])


def _silence(site: Site, url: str = "") -> str:
    """Why the hub does not answer at its public URL, or at this one; "" if it does."""
    _, pair = tls.wanted(site, datetime.now(UTC))
    place = site.place()
    return hub_answers(url or public_url(site.settings, place), pair, reached_at(place))


def _existing(site: Site) -> "list[InstanceTypeDef]":
    """The cluster's managers that are not terminated, the newest first; more than one only after an accident."""
    found = instances.found_by_tags(site.aws, site.cluster, ROLE_MANAGER)
    return sorted(found, key=lambda one: one["LaunchTime"], reverse=True)


def _is_as_wanted(site: Site, found: "list[InstanceTypeDef]", volume: str) -> bool:
    try:
        wanted = _plan(site, volume, "").content
    except NotBuilt:  # its network interface does not exist any more
        return False
    return [instances.tags_of(one).get(TAG_CONTENT) for one in found] == [wanted]


def _plan(site: Site, volume: str, zone: str) -> Plan:
    place = site.place()
    config = manager_config(
        site.settings,
        place=place,
        network=site.network(),
        bucket=names.bucket(site.cluster, site.aws),
        bundle=bundle.of(site.settings).key,
        state_volume=volume,
        secret_versions=_secret_versions(site),
        challenge=dns.challenge(site),
    )
    return Plan(config, content(site.settings, config), place["ManagerInterface"], zone)


def _secret_versions(site: Site) -> dict[str, int]:
    """Of what the manager reads only when it starts: the authenticator's secrets, and those that were rotated."""
    ssm, login = site.aws.client("ssm"), site.settings.login
    generated = [*secrets.MAKERS, *([TLS_KEY] if site.settings.manager.https is Https.SELF_SIGNED else [])]
    needed = secrets_of(login.authenticator, login.options)
    return secrets.rotated(ssm, site.cluster, generated) | secrets.versions(ssm, site.cluster, needed)


def _request(site: Site, plan: Plan) -> dict[str, object]:
    manager = site.settings.manager
    base = base_image(site.aws, manager.base, architecture_of(site.aws, [manager.type]))
    judge_disk(base.image, base.root_size, manager.disk, "manager.disk")
    return launch_request(site.settings, plan.config, base, plan.interface, plan.zone)


def _zone(site: Site) -> str:
    subnet = site.network().manager_subnet
    [found] = site.aws.client("ec2").describe_subnets(SubnetIds=[subnet])["Subnets"]
    return found["AvailabilityZone"]


def _await_running(site: Site, instance: str, report: Report) -> None:
    _await(site, instance, "running", report)


def _await(site: Site, instance: str, state: str, report: Report) -> None:
    instances.await_state(
        site.aws,
        instance,
        state,
        RUNS_WITHIN.total_seconds(),
        report,
        lambda now, waited: f"the manager {instance} is {now} for {waited:.0f} s",
    )


def _records_needed(site: Site) -> str:
    """What to do about the DNS where the request goes to the hub's name; "" where that is not the operator's."""
    records = dns.to_create(site) if site.settings.manager.https is Https.LETS_ENCRYPT else []
    return f"; it needs the DNS records {', '.join(map(str, records))}" if records else ""


def _unanswered(site: Site, config: ManagerConfig, instance: str, why: str) -> str:
    output = instances.console(site.aws, instance)
    lines = [line for line in output.splitlines() if line.strip()][-CONSOLE_LINES:]
    said = "\n".join(lines) or "its console says nothing yet"
    silent = f"the hub does not answer at {config.public_url}: {why}"
    return f"{silent}; the console of {instance} ends with:\n{said}"
