"""What would save most: the same formula with one setting changed, for each setting that it depends on. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bootstrap.config.choices import Credits, Egress
from bootstrap.config.settings import ClusterSettings
from bootstrap.config.values import architecture, duration_text
from bootstrap.costs.case import Item, Load, expected
from bootstrap.costs.model import EGRESS_ITEMS, monthly, total
from bootstrap.costs.prices import Assumptions, Prices
from lifecycle_app.model.policy import Policy

SMALLEST_ROOT_DISK = 8
"""GB: the size of the base images."""
ROOT_KEPT = timedelta(hours=12)
"""For how long a root disk is advised to be kept: overnight it goes."""
SHORTEST_TIMEOUT = timedelta(minutes=15)
"""With a shorter one, a break in a lesson stops the machines."""
ALIKE = (("t3", "t3a", "t4g"), ("m7i", "m7g"))
"""Families whose sizes of the same name have as many processors and as much memory."""
WORTH_SAYING = 0.01
"""Of the bill: less is not advised."""
SAID = 3
"""How many, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A setting that would save US dollars of what its topic costs."""

    topic: str
    costs: float
    saves: float
    setting: str
    """How it would be written in cluster.yaml, or set."""
    instead_of: str
    note: str
    """What it takes, and what gets worse."""

    @property
    def line(self) -> str:
        """For people."""
        return (
            f"{self.topic} ${self.costs:.2f}: `{self.setting}` instead of {self.instead_of} saves ${self.saves:.2f} "
            f"({self.note})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One setting changed, and the items whose cost depends on it."""

    topic: str
    items: Sequence[str]
    setting: str
    instead_of: str
    note: str
    settings: ClusterSettings
    load: Load


def advice(
    settings: ClusterSettings, load: Load, idle_stops: float, timeout: timedelta, prices: Prices | None = None
) -> list[Advice]:
    """The settings that would save most under this load, the best first. `idle_stops`: how many of its runs ended
    because the machine was not used for the timeout.

    An alternative whose price is not known is left out.
    """
    now = monthly(settings, prices, load=load)
    found = []
    for one in _alternatives(settings, load, idle_stops, timeout):
        then = monthly(one.settings, prices, load=one.load)
        if any(item.dollars is None for item in (*now, *then)):
            continue
        saves = total(now) - total(then)
        if saves >= max(0.01, WORTH_SAYING * total(now)):
            found.append(
                Advice(
                    topic=one.topic,
                    costs=_cost_of(one.items, now),
                    saves=saves,
                    setting=one.setting,
                    instead_of=one.instead_of,
                    note=one.note,
                )
            )
    best = {one.topic: one for one in sorted(found, key=lambda one: one.saves)}
    return sorted(best.values(), key=lambda one: -one.saves)[:SAID]


def _cost_of(names: Sequence[str], items: Sequence[Item]) -> float:
    return sum(item.dollars or 0.0 for item in items if item.name in names)


def _alternatives(
    settings: ClusterSettings, load: Load, idle_stops: float, timeout: timedelta
) -> Iterator[Alternative]:
    yield from _disks(settings, load)
    yield from _types(settings, load)
    yield from _egress(settings, load)
    yield from _credits(settings, load)
    yield from _timeout(settings, load, idle_stops, timeout)


def _disks(settings: ClusterSettings, load: Load) -> Iterator[Alternative]:
    workers = settings.workers
    disk, home = max(SMALLEST_ROOT_DISK, workers.disk // 2), workers.home_disk // 2
    if disk < workers.disk:
        yield Alternative(
            topic="root disks",
            items=("workers' root disks", "worker images"),
            setting=f"workers.disk: {disk}",
            instead_of=str(workers.disk),
            note="if the image fits; machines get it when they are launched anew",
            settings=replace(settings, workers=replace(workers, disk=disk)),
            load=load,
        )
    if home and (workers.root_lasts is None or workers.root_lasts > ROOT_KEPT):
        yield Alternative(
            topic="root disks",
            items=("workers' root disks", "worker images"),
            setting=f"workers.root_kept: {duration_text(ROOT_KEPT)}",
            instead_of=workers.root_kept,
            note="what users installed as root goes with it; their next login takes a launch",
            settings=replace(settings, workers=replace(workers, root_kept=duration_text(ROOT_KEPT))),
            load=load,
        )
    if home:
        yield Alternative(
            topic="home disks",
            items=("home disks",),
            setting=f"workers.home_disk: {home}",
            instead_of=str(workers.home_disk),
            note="new users only: a disk does not shrink",
            settings=replace(settings, workers=replace(workers, home_disk=home)),
            load=load,
        )


def _types(settings: ClusterSettings, load: Load) -> Iterator[Alternative]:
    """Of the first type, which most users have."""
    if settings.workers.profiles:
        return  # a profile says what its users need
    first, *others = settings.workers.types
    family, _, size = first.partition(".")
    for other in next((families for families in ALIKE if family in families), ()):
        kind = f"{other}.{size}"
        if kind == first or kind in others:
            continue
        is_other = architecture(kind) != architecture(first)
        if is_other and others:
            continue  # all types have one architecture
        yield Alternative(
            topic="machines",
            items=("workers",),
            setting=f"workers.types: [{', '.join((kind, *others))}]",
            instead_of=first,
            note="as large; another processor, for which all packages must exist" if is_other else "as large",
            settings=replace(settings, workers=replace(settings.workers, types=(kind, *others))),
            load=load,
        )


def _egress(settings: ClusterSettings, load: Load) -> Iterator[Alternative]:
    network = settings.network
    notes = {
        Egress.DUAL_STACK: "only for a network that is not built yet; IPv4 shares the manager's network",
        Egress.MANAGER: "all machines share the manager's network, and have none while it is replaced",
        Egress.PUBLIC_ADDRESS: "each machine has a public address while it runs; no connection comes in",
        Egress.NAT_GATEWAY: "one address for all",
    }
    for egress in Egress if network.is_ours else ():
        if egress is not network.egress:
            yield Alternative(
                topic="egress",
                items=EGRESS_ITEMS,
                setting=f"network.egress: {egress}",
                instead_of=str(network.egress),
                note=notes[egress],
                settings=replace(settings, network=replace(network, egress=egress)),
                load=load,
            )


def _credits(settings: ClusterSettings, load: Load) -> Iterator[Alternative]:
    if settings.workers.credits is Credits.UNLIMITED:
        yield Alternative(
            topic="CPU credits",
            items=("unlimited CPU credits",),
            setting=f"workers.credits: {Credits.STANDARD}",
            instead_of=str(Credits.UNLIMITED),
            note="a machine that has used up its credits slows down to its baseline",
            settings=replace(settings, workers=replace(settings.workers, credits=Credits.STANDARD)),
            load=load,
        )


def _timeout(
    settings: ClusterSettings, load: Load, idle_stops: float, timeout: timedelta
) -> Iterator[Alternative]:
    """Each run that ended idle had been unused for the whole timeout."""
    shorter = max(SHORTEST_TIMEOUT, timeout / 2)
    unused = idle_stops * ((timeout - shorter) / timedelta(hours=1))
    if 0 < unused < load.worked:
        yield Alternative(
            topic="machines that wait for their timeout",
            items=("workers", "workers' public addresses"),
            setting=f"idle_timeout={_minutes(shorter)}",
            instead_of=_minutes(timeout),
            note=f"`cloudjhub settings set`; {idle_stops:.0f} stops of idle machines, and more starts to wait for",
            settings=settings,
            load=replace(load, worked=load.worked - unused),
        )


def expected_advice(settings: ClusterSettings, prices: Prices | None = None) -> list[Advice]:
    """For the month that the settings expect, in which all machines are left idle until they are stopped."""
    load = expected(settings, Assumptions())
    return advice(settings, load, load.runs, timeout_of(settings), prices)


def timeout_of(settings: ClusterSettings) -> timedelta:
    """The cluster's idle timeout by its settings file."""
    seconds = settings.policy.get("idle_timeout")
    return Policy().idle_timeout if seconds is None else timedelta(seconds=seconds)


def _minutes(length: timedelta) -> str:
    return f"{length / timedelta(minutes=1):g}m"
