"""The cluster that `cloudjhub verify` builds for itself: its settings, its price, what an earlier run left of it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bootstrap.aws import names, stacks
from bootstrap.aws.keys import without_alias
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.config.choices import Authenticator
from bootstrap.config.settings import ClusterSettings, Hub, Login, Manager, Network, Workers
from bootstrap.config.values import ARM, X86, architecture
from bootstrap.costs.case import Load
from bootstrap.costs.model import monthly, total
from bootstrap.costs.prices import HOURS_A_MONTH
from bootstrap.errors import Refused
from bootstrap.operations import removal
from hub.config.origins import is_loopback

NAME = "verify-throwaway"
"""Of the cluster and its network: no other cluster may have it."""
MARK = "cloudjhub-verify"
"""The tag of everything that is made; only what has it is removed."""
USER = "verify"
SMALLEST = {ARM: "t4g.small", X86: "t3.small"}
LEAST_IDLE = timedelta(seconds=20)
PERIODS_IDLE = 12
"""Reports until a machine is idle: enough of them to be counted."""
TAKES = timedelta(hours=1, minutes=30)
"""An estimate, most of it for the image and for CloudFormation."""
LONGEST = timedelta(hours=3)
MARGIN = 2
"""Prices are those of us-east-1: other regions have higher ones."""


def settings(region: str, like: ClusterSettings | None, users_file: Path) -> ClusterSettings:
    """The smallest cluster. `like`: whose network, tags, roles and manager it has, as an institution may need.

    A manager with a domain is one with its address instead: no record is made.
    """
    base = like or ClusterSettings(cluster=NAME, region=region, owner=MARK, network=Network(name=NAME))
    like_manager = base.manager
    manager = Manager(type=like_manager.type, base=like_manager.base)
    idle = max(LEAST_IDLE, PERIODS_IDLE * base.timing.report_period)
    return replace(
        base,
        cluster=NAME,
        region=region,
        users=1,
        alerts="",
        bill_alarm=0,
        tags={**base.tags, MARK: "throw-away"},
        kms_key=base.kms_key if base.region == region else "",
        network=replace(base.network, name=NAME) if base.network.is_ours else base.network,
        workers=Workers(
            types=(SMALLEST[architecture(base.workers.all_types[0])],),
            base=base.workers.base,
            home_disk=3,
            named_servers=0,
        ),
        manager=like_manager if is_loopback(like_manager.domain) else manager,
        hub=Hub(),
        login=Login(authenticator=Authenticator.NATIVE.value, trusted_users=True, users_file=users_file),
        policy={"idle_timeout": idle.total_seconds(), "start_grace": min(idle.total_seconds(), 60.0)},
    )


def site_in(directory: Path, region: str, like: ClusterSettings | None) -> Site:
    """The throw-away cluster, with its users file below this directory."""
    own = directory / ".cloudjhub" / NAME
    own.mkdir(parents=True, exist_ok=True)
    users_file = own / "users"
    users_file.write_text(f"{USER}\n", encoding="utf-8")
    aws = Aws(region)
    return Site(settings=without_alias(settings(region, like, users_file), aws), aws=aws, directory=own)


def dollars(settings: ClusterSettings, time: timedelta) -> float:
    """What the cluster costs in that time, with one machine that runs throughout; US dollars, rounded up by MARGIN."""
    hours = time / timedelta(hours=1)
    load = Load(users=1, worked=hours, runs=3, hours=hours, months=hours / HOURS_A_MONTH)
    return MARGIN * total(monthly(settings, load=load))


def may_take(settings: ClusterSettings, limit: float) -> timedelta:
    """How long the walk may go on within a limit in US dollars. Raises Refused if that is less than it needs."""
    needed = dollars(settings, TAKES)
    if limit < needed:
        raise Refused(
            f"the walk may cost ${needed:.2f}, more than the limit of ${limit:.2f}: set a higher --limit"
        )
    return min(LONGEST, TAKES * (limit / needed))


def leftover(site: Site) -> list[str]:
    """What an earlier run left, a line each. Raises Refused where a cluster of this name was not made by `verify`."""
    found = removal.removals(site, with_homes=True)
    foreign = sorted(name for name, tags in _stack_tags(site).items() if MARK not in tags)
    if foreign:
        raise Refused(
            f"{', '.join(foreign)} exists without the tag {MARK}: `verify` has not made it, and removes "
            "nothing. Remove that cluster, or use another region"
        )
    return [f"{step}: {one.what}" for step, of_step in found.items() for one in of_step]


def _stack_tags(site: Site) -> Mapping[str, Mapping[str, str]]:
    client = site.aws.client("cloudformation")
    wanted = [*names.stacks(site.cluster), names.network_stack(NAME)]
    found = {name: stacks.current(client, name) for name in wanted}
    return {
        name: {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
        for name, stack in found.items()
        if stack
    }
