"""What is wrong with a cluster, worked out from the facts: one line each, with what to do. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bootstrap.config.reboot_window import OFF
from bootstrap.machines.manager.freshness import Freshness
from bootstrap.operations.homes import left_homes
from bootstrap.operations.workers.listing import BAD_RECORD, DUPLICATE, UNKNOWN, ListedWorker
from lifecycle_app.contract import STOPPED_FOR_HOME
from lifecycle_app.errors import BadRecord
from lifecycle_app.model.messages import length
from lifecycle_app.model.worker import State, Worker

SOON = timedelta(days=21)
LEFT = 4
"""Let's Encrypt's certificates are renewed when a third of their life is left: one with less than a quarter was not."""
ALLOWED_SKEW = timedelta(minutes=2)
"""AWS refuses signatures that are 15 minutes off; the stop protocol's leases want better clocks than that."""
SETTLES_IN = timedelta(minutes=20)
"""Reconciling, which runs every quarter of an hour, repairs what events have missed."""
BUILDING_TAKES = timedelta(hours=1)
IMAGE_AGES = timedelta(days=30)
SILENT_FOR = timedelta(days=3)
"""The manager counts its security updates each day, after it has installed them."""
BACKED_UP_WITHIN = timedelta(days=2)
"""The database is backed up each night."""
SUPPORT_ENDS = timedelta(days=180)


def certificate(validity: tuple[datetime, datetime] | None, now: datetime, renewal: str) -> list[str]:
    """`validity`: when the certificate begins and ends, None where it could not be seen; `renewal`: who gives a new
    one.
    """
    if validity is None:
        return []
    begins, until = validity
    if until - now > min(SOON, (until - begins) / LEFT):
        return []
    when = "has expired" if until <= now else f"expires in {(until - now).days} days"
    return [f"the hub's certificate {when}: {renewal}"]


def names(name: str, found: Collection[str], found_v6: Collection[str], address: str, zone: str) -> list[str]:
    """`found`: what one of the manager's names resolves to, as IPv4 and as IPv6; `zone`: the hosted zone of this
    account that has its record, "" for one elsewhere.
    """
    wrong = []
    if set(found) != {address}:
        now = (
            f"leads to {', '.join(sorted(found))} instead of {address}"
            if found
            else "is not found in the DNS"
        )
        fix = (
            f"the hosted zone {zone} has its record: the domain's registrar must name the zone's name servers"
            if zone
            else f"set its A record to {address}, without any other A or CNAME record"
        )
        wrong.append(f"{name} {now}: {fix}")
    if found_v6:
        wrong.append(
            f"{name} has an AAAA record ({', '.join(sorted(found_v6))}), which browsers prefer and no manager has: "
            "delete it"
        )
    return wrong


def delegation(name: str, target: str, found: str | None) -> list[str]:
    """`found`: where the CNAME record `name` leads, "" for no record, None where no name server answers."""
    if found is None:
        return [f"{name} could not be looked up: no name server of this machine answers: try again"]
    if found == target.lower():
        return []
    now = f"leads to {found} instead" if found else "is not found in the DNS"
    return [
        f"{name} {now}: create it as a CNAME to {target}, or Let's Encrypt does not renew the hub's certificate"
    ]


def clock(skew: timedelta) -> list[str]:
    """`skew`: this machine's clock minus AWS's."""
    if abs(skew) <= ALLOWED_SKEW:
        return []
    direction = "ahead of" if skew > timedelta(0) else "behind"
    return [
        f"this machine's clock is {length(abs(skew))} {direction} AWS's: set it, AWS refuses calls from 15 min on"
    ]


def manager(states: Mapping[str, str]) -> list[str]:
    """`states` of the cluster's managers, by id."""
    if not states:
        return ["there is no manager: run `cloudjhub up`"]
    if len(states) > 1:
        return [
            f"there are {len(states)} managers ({', '.join(sorted(states))}): run `cloudjhub up`, which leaves one"
        ]
    return [
        f"the manager {one} is {state}: run `cloudjhub up`, which starts it"
        for one, state in states.items()
        if state != "running"
    ]


def freshness(found: Freshness | None, window: str, launched: datetime, now: datetime) -> list[str]:
    """The manager's security updates; `window`: when it reboots, as in the settings; `launched`: when it was."""
    if found is None:
        if now - launched <= SILENT_FOR:
            return []
        return [
            f"the manager has not counted its security updates for {SILENT_FOR.days} days: see `cloudjhub logs manager`"
        ]
    return [*_updates(found, now), *_reboot(found, window, now), *_support(found, now)]


def _updates(found: Freshness, now: datetime) -> Iterator[str]:
    if found.pending:
        yield (
            f"{found.pending} security updates of the manager are not installed, though they are each morning: see why "
            "in its /var/log/unattended-upgrades, by Session Manager"
        )
    fetched = datetime.fromtimestamp(found.fetched_at, UTC) if found.fetched_at else None
    if fetched and now - fetched > SILENT_FOR:
        yield (
            f"the manager has not reached its package archives for {length(now - fetched)}, so it has no security "
            "updates since: check its way to the internet"
        )


def _reboot(found: Freshness, window: str, now: datetime) -> Iterator[str]:
    if found.reboot_since is None:
        return
    since = length(now - datetime.fromtimestamp(found.reboot_since, UTC))
    fix = (
        "reboot it by Session Manager, or set `manager.reboot_window`"
        if window == OFF
        else f"it reboots itself {window}; no user's machine stops"
    )
    yield f"the manager has waited {since} for the reboot that completes security updates: {fix}"


def _support(found: Freshness, now: datetime) -> Iterator[str]:
    try:
        ends = datetime.fromisoformat(found.supported_until).replace(tzinfo=UTC)
    except ValueError:
        return
    if ends - now <= SUPPORT_ENDS:
        yield (
            f"security updates of {found.system}, on the manager, end on {found.supported_until}: choose a newer "
            "`manager.base` and run `cloudjhub up`"
        )


def state_disk(volumes: Sequence[Mapping[str, Any]], managers: Collection[str]) -> list[str]:
    """`volumes` tagged as the cluster's state, as DescribeVolumes gives them."""
    if not volumes:
        return [
            "the manager's state disk is missing: run `cloudjhub up`, which makes an empty one, then"
            " `cloudjhub restore --at latest`, which brings accounts and sessions back"
        ]
    if len(volumes) > 1:
        ids = ", ".join(sorted(str(one["VolumeId"]) for one in volumes))
        return [f"there are {len(volumes)} state disks ({ids}): delete the one that is not the manager's"]
    attached = {each["InstanceId"] for each in volumes[0].get("Attachments", [])}
    if attached & set(managers):
        return []
    return [f"the state disk {volumes[0]['VolumeId']} is not attached to the manager: run `cloudjhub up`"]


def backups(newest: datetime | None, launched: datetime, now: datetime) -> list[str]:
    """`newest`: when JupyterHub's database was last backed up; `launched`: when the manager was."""
    if now - max(newest or launched, launched) <= BACKED_UP_WITHIN:
        return []
    last = f"for {(now - newest).days} days" if newest else "yet"
    return [f"JupyterHub's database was not backed up {last}: see `cloudjhub logs manager`"]


def backup_policy(found: tuple[str, str, str] | None) -> list[str]:
    """`found`: id, state and its reason of the policy that has the homes backed up; its state is "" if it is gone."""
    if found is None or found[1] == "ENABLED":
        return []
    policy, state, why = found
    what = f"homes are not backed up: the policy {policy} of Data Lifecycle Manager"
    enable = f"`aws dlm update-lifecycle-policy --policy-id {policy} --state ENABLED`"
    if not state:
        return [
            f"{what} was deleted: run `cloudjhub up` with `workers.backup_days: 0`, then with the days again"
        ]
    if state == "DISABLED":
        return [f"{what} is disabled: an administrator of the account runs {enable}"]
    reason = f" ({why})" if why else ""
    return [
        f"{what} is in state {state}{reason}: run `cloudjhub up`, which restores its role; then an administrator of "
        f"the account runs {enable}"
    ]


def image(image_id: str, state: str, made: datetime | None, now: datetime) -> list[str]:
    """`state`: EC2's word for the image that the hub launches, "" where EC2 has none such; `made`: when."""
    if not image_id:
        return ["the cluster has no worker image: run `cloudjhub up`"]
    if state == "available":
        age = now - made if made else timedelta(0)
        if age <= IMAGE_AGES:
            return []
        return [
            f"the worker image {image_id} is {age.days} days old and lacks the security updates since: run "
            "`cloudjhub image build --force`, or choose a newer one if `workers.image` names it"
        ]
    return [f"the worker image {image_id} is {state or 'missing'}: run `cloudjhub image build`"]


def last_runs(
    runs: Mapping[str, datetime | None],
    deployed: Mapping[str, datetime],
    limits: Mapping[str, timedelta],
    now: datetime,
) -> list[str]:
    """When the scheduled functions last ran and were deployed, and for how long each may be silent."""
    found = []
    for name, limit in limits.items():
        last = runs.get(name)
        if last is None:
            if name in deployed and now - deployed[name] <= limit:
                continue  # a rule runs it first when its period is over
            found.append(f"{name} has never run: run `cloudjhub up`, then see `cloudjhub logs {name}`")
        elif now - last > limit:
            found.append(
                f"{name} ran {length(now - last)} ago, and should each {length(limit)} at least: see "
                f"`cloudjhub logs {name}`"
            )
    return found


def errors(messages: Mapping[str, str]) -> list[str]:
    """The last error of each function in the last day, as its log has it."""
    return [
        f"{name} failed: {message}: see `cloudjhub logs {name}`"
        for name, message in messages.items()
        if message
    ]


def dead_letters(count: int, queue: str) -> list[str]:
    """`count`: how many events are in the queue."""
    if not count:
        return []
    return [
        f"{count} events in the dead-letter queue {queue}: read them, fix the cause, then purge the queue"
    ]


def alarms(in_alarm: Mapping[str, str]) -> list[str]:
    """Our own alarms in ALARM: descriptions by name."""
    return [
        f"the alarm {name} is in ALARM: {description}: see `cloudjhub logs`"
        for name, description in sorted(in_alarm.items())
    ]


def workers(machines: Sequence[ListedWorker], records: Sequence[Worker], now: datetime) -> list[str]:
    """Records against EC2. What is younger than a reconciliation is left to it."""
    states = {one.instance_id: one.state for one in machines if one.instance_id}
    found = []
    for one in machines:
        if one.note in ("", BAD_RECORD) or one.since is None or now - one.since <= SETTLES_IN:
            continue
        fix = (
            f"`cloudjhub workers terminate {one.key}`"
            if one.note == DUPLICATE
            else "`cloudjhub logs reconcile`"
        )
        what = "there is a second instance of" if one.note == DUPLICATE else "no record has the instance of"
        if one.note == UNKNOWN:
            what = "EC2 does not know the recorded instance of"
        found.append(f"{what} {one.key} ({one.instance_id}, {one.state}): see {fix}")
    for worker in records:
        state = states.get(worker.instance_id)
        if state is None or now - worker.state_at <= SETTLES_IN or _agree(worker.state, state):
            continue
        found.append(
            f"{worker.key} is {state} and recorded as {worker.state} for {length(now - worker.state_at)}: see "
            "`cloudjhub logs reconcile`"
        )
    return found


def unusable_homes(records: Sequence[Worker]) -> list[str]:
    """Workers that were stopped because their home disk could not be mounted, and were not started since."""
    return [
        f"the home disk {one.home_volume or ''} of {one.key} cannot be mounted, so that no server starts: see "
        f"`cloudjhub logs worker {one.key}`; then take a snapshot of the disk and repair it with e2fsck on another "
        "instance (docs/guide.md, A home disk that cannot be used)"
        for one in records
        if one.state in (State.STOPPING, State.STOPPED, State.TERMINATED)
        and one.message.values.get("by") == STOPPED_FOR_HOME
    ]


def bad_records(bad: Sequence[BadRecord], table: str) -> list[str]:
    """Records that cannot be used; their instances are left alone until they are corrected."""
    return [
        f"{one}: put the item right in the table {table}, or delete it there, if EC2 still has its instance: then it "
        "is made anew within 15 minutes"
        for one in bad
    ]


def secrets(wanted: Collection[str], there: Collection[str]) -> list[str]:
    """Full parameter names."""
    return [
        f"the secret {name} is missing: run `cloudjhub up`, or `cloudjhub secrets set` where it is yours to give"
        for name in sorted(set(wanted) - set(there))
    ]


def roles(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Policy documents by the role's name; None where there is no such role or policy."""
    lines = []
    for name, document in wanted.items():
        if (there := found.get(name)) is None:
            lines.append(f"the role {name} or its policy is missing: run `cloudjhub up`")
        elif there != document:
            lines.append(
                f"the policy of the role {name} was changed by hand: delete its policy, then run `cloudjhub up`"
            )
    return lines


def orphans(
    volumes: Sequence[Mapping[str, Any]],
    builders: Mapping[str, datetime],
    homes: Collection[str],
    now: datetime,
) -> list[str]:
    """Workers' free volumes that no record has, and builders (launch times by id) that are there for too long."""
    left, replaced = left_homes(volumes, homes)
    found = [
        f"the home disk {volume} was replaced by {by} at a restore: delete it in the console once nothing on it is"
        " needed"
        for volume, by in replaced.items()
    ]
    found += [_free_homes(worker, left[worker]) for worker in sorted(left)]
    return found + [
        f"the image builder {one} has been there for {length(now - launched)}: run `cloudjhub image build`, which "
        "ends it"
        for one, launched in sorted(builders.items())
        if now - launched > BUILDING_TAKES
    ]


def _free_homes(worker: str, volumes: Sequence[str]) -> str:
    """What to do about the free disks of a worker that no record has."""
    of = f" of {worker}" if worker else ""
    if len(volumes) > 1:
        return (
            f"the home disks {', '.join(volumes)}{of} have no record: while there are several, the hub launches no "
            "machine for a user who has no other home. Delete all but one in the console"
        )
    return (
        f"the home disk {volumes[0]}{of} has no record: a user who has no other home gets it with the next new machine."
        " If it is not wanted, delete it in the console"
    )


def drift(changes: Mapping[str, Sequence[str]]) -> list[str]:
    """What `up` would change, by step."""
    return [
        f"{step} is not as the settings say ({', '.join(changed)}): run `cloudjhub up`"
        for step, changed in changes.items()
    ]


def _agree(recorded: State, state: str) -> bool:
    """A claimed worker is recorded as stopping while it still runs."""
    terminated = (State.TERMINATED, "shutting-down")
    return (
        recorded == state
        or (recorded is State.TERMINATED and state in terminated)
        or recorded is State.STOPPING
    )
