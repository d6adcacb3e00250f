"""The users whose instances `workers prepare` launches, whether there is room for them, and what they cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.aws.site import Site
from bootstrap.cluster import users as kept
from bootstrap.config.choices import Authenticator
from bootstrap.config.settings import Login
from bootstrap.costs.prices import Prices
from bootstrap.errors import Refused, SettingsError
from bootstrap.operations.workers.hub_launches import LaunchSettings
from bootstrap.operations.workers.listing import BAD_RECORD, ListedWorker
from bootstrap.operations.workers.preparation import Outcome, Prepared, Wanted
from bootstrap.preflight import quotas, subnets
from hub.users.names import People
from lifecycle_app.model.worker import State

BOOT_HOURS = 5 / 60
"""A boot with EC2's checks and the stop takes some five minutes."""
OWN_ACCOUNTS = (Authenticator.NATIVE, Authenticator.SHARED_PASSWORD)
"""With these, users who are not listed have no account, unless all users may have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """US dollars; None where the price is not known."""

    boots: float | None
    """Once."""
    disks: float | None
    """Each month, from now on."""


def chosen(given: Iterable[str], people: People, login: Login, *, all_users: bool) -> list[str]:
    """The selected users, in the order given, each once. Raises SettingsError for one who could not log in. Pure."""
    wanted = list(dict.fromkeys(kept.accepted(name) for name in given))
    if all_users and wanted:
        raise SettingsError("name users, or say --all: not both")
    if all_users:
        return sorted(people.users)
    if not wanted:
        raise SettingsError("no users are named: name users, give a file with --from, or say --all")
    is_closed = login.authenticator in OWN_ACCOUNTS and not login.allow_all
    for name in wanted:
        if name in people.removed or (is_closed and name not in people.users):
            raise SettingsError(
                f"{name} may not log in: run `cloudjhub users add` first, or correct the name"
            )
    return wanted


def sorted_out(names: Sequence[str], machines: Iterable[ListedWorker]) -> tuple[list[Wanted], list[Prepared]]:
    """Those who get an instance, and those who have one, in whatever state it is. Pure."""
    of_user: dict[str, list[ListedWorker]] = {}
    for machine in machines:
        of_user.setdefault(machine.key, []).append(machine)
    wanted, left = [], []
    for name in names:
        mine = of_user.get(name, [])
        live = [one for one in mine if one.state != State.TERMINATED]
        if live:
            note = BAD_RECORD if live[0].note == BAD_RECORD else f"it is {live[0].state}"
            left.append(
                Prepared(key=name, instance_id=live[0].instance_id, outcome=Outcome.HAS_ONE, message=note)
            )
        else:
            home = next((one.home_volume for one in mine if one.home_volume), None)
            wanted.append(Wanted(key=name, home_volume=home))
    return wanted, left


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What machines are prepared: by which options of the hub, of which type, and with a root disk of how many GB."""

    options: Mapping[str, str]
    type: str
    disk: int


def choice(settings: LaunchSettings, instance_type: str | None, profile: str | None) -> Choice:
    """What the operator has named, or else what the hub launches by default. Raises SettingsError. Pure."""
    if not settings.profiles:
        if profile:
            raise SettingsError("--profile: this cluster has no profiles: use --instance-type")
        kind = instance_type or settings.types[0]
        if kind not in settings.types:
            raise SettingsError(
                f"--instance-type {kind} is not a type of this cluster: use one of {', '.join(settings.types)}"
            )
        return Choice(options={"instance_type": kind}, type=kind, disk=settings.disk)
    names = ", ".join(one.name for one in settings.profiles)
    if instance_type:
        raise SettingsError(f"--instance-type: this cluster has profiles: use --profile with one of {names}")
    found = [one for one in settings.profiles if profile in (None, one.name)]
    if not found:
        raise SettingsError(f"--profile {profile} is not a profile of this cluster: use one of {names}")
    return Choice(options={"profile": found[0].name}, type=found[0].type, disk=found[0].disk or settings.disk)


def cost(settings: LaunchSettings, choice: Choice, wanted: Sequence[Wanted], prices: Prices | None) -> Cost:
    """What these instances cost with the prices of their region, None if those are not known. Pure."""
    if prices is None:
        return Cost(boots=None, disks=None)
    price = prices.instance_hour.get(choice.type)
    new_homes = sum(one.home_volume is None for one in wanted)
    size = len(wanted) * choice.disk + new_homes * settings.home_disk
    boots = None if price is None else len(wanted) * BOOT_HOURS * price
    return Cost(boots=boots, disks=size * prices.disk_month)


def at_once(site: Site, instance_type: str, most: int) -> int:
    """How many may boot at the same time: `most`, or fewer if the account's quota of vCPUs says so, where AWS answers.

    Raises Refused where there is room for none.
    """
    try:
        fit = quotas.fitting(site, instance_type)
    except (ClientError, BotoCoreError):
        return most
    if not fit:
        page = quotas.PAGE.format(service="ec2", code=quotas.quota_of(instance_type))
        raise Refused(
            f"nothing was launched: the account's quota of vCPUs has no room for a {instance_type} beside what runs: "
            f"stop instances, or request more at {page}"
        )
    return min(most, fit)


def refuse_without_addresses(site: Site, settings: LaunchSettings, wanted: Sequence[Wanted]) -> None:
    """Raises Refused where the worker subnets have no address for each."""
    for problem in subnets.room_for(site, settings.subnets, len(wanted)):
        raise Refused(f"nothing was launched: {problem.line}")
