"""Who is compared, over which fleets, and how what each costs grows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.peers import measuring
from benchmarks.peers.fleet import Fleet, fleet_of
from benchmarks.peers.measuring import Cost, Costs

Sweep = Callable[[Fleet, float], Cost]

OURS = "cloudJHub (ours)"
SWEEPS: Mapping[str, Sweep] = {
    OURS: measuring.ours,
    "jupyterhub-idle-culler": measuring.idle_culler,
    "cloud-custodian": measuring.custodian,
    "cloudJHub (before), a model": measuring.cloudjhub,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`by_fleet`: what each sweep cost, fleets in the order of their size. `slow`: with stops of `stop_seconds`."""

    by_fleet: Mapping[Fleet, Mapping[str, Costs]]
    slow_fleet: Fleet
    stop_seconds: float
    slow: Mapping[str, Costs]

    @property
    def names(self) -> Sequence[str]:
        """Ours first."""
        return list(self.slow)

    def shared(self) -> list[Fleet]:
        """The fleets that everybody swept."""
        return [fleet for fleet, costs in self.by_fleet.items() if len(costs) == len(self.names)]

    def of(self, name: str) -> Mapping[Fleet, Costs]:
        """One's costs."""
        return {fleet: costs[name] for fleet, costs in self.by_fleet.items() if name in costs}

    def growth(self, name: str, measured: Callable[[Costs], float]) -> float:
        """The largest shared fleet's value as a multiple of the smallest's."""
        fleets = self.shared()
        return measured(self.by_fleet[fleets[-1]][name]) / measured(self.by_fleet[fleets[0]][name])


def compare(
    sizes: Sequence[int],
    ours_too: Sequence[int],
    due: int,
    stop_seconds: float,
    repetitions: int,
    told: Callable[[str], None],
    sweeps: Mapping[str, Sweep] = SWEEPS,
) -> Comparison:
    """Measures everybody with so many running (`sizes`), and ours with more of them too. `told` hears how far it is.

    With stops that take time all of the fleet is due: how long the others take to be looked at does not count there.
    """
    by_fleet = {}
    for running in sorted({*sizes, *ours_too}):
        fleet = fleet_of(running, due)
        names = list(sweeps) if running in sizes else [OURS]
        told(fleet.words)
        by_fleet[fleet] = {name: _repeated(sweeps[name], fleet, 0, repetitions) for name in names}
    slow_fleet = Fleet(users=due, running=due, due=due)
    told(f"{due} due, each stop {stop_seconds:g} s")
    slow = {name: _repeated(sweep, slow_fleet, stop_seconds, 1) for name, sweep in sweeps.items()}
    return Comparison(by_fleet=by_fleet, slow_fleet=slow_fleet, stop_seconds=stop_seconds, slow=slow)


def _repeated(sweep: Sweep, fleet: Fleet, stop_seconds: float, times: int) -> Costs:
    return Costs(tuple(sweep(fleet, stop_seconds) for _ in range(times)))
