"""cloudJHub's own metrics, beside JupyterHub's at the hub's `/metrics`. Reading them needs the scope `read:metrics`."""

from collections import Counter as Counted
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lifecycle_app.model.history import PER_HOUR
from lifecycle_app.model.worker import State, Worker

STARTED = "started"
STEPS = ("assigned", "booting", "answered")
"""What a start reaches: an instance, with its home disk, and JupyterLab's first answer."""

starts = Counter(
    "cloudjhub_starts", "Starts of servers that ended, by outcome: started, or why not", ["outcome"]
)
step_seconds = Histogram(
    "cloudjhub_start_step_seconds",
    "Seconds from the beginning of a start to each step that it reached",
    ["step"],
    buckets=(1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600),
)
drains = Counter(
    "cloudjhub_drains", "Answers to the lifecycle app before it stops an instance", ["mode", "answer"]
)


class Machines(Collector):
    """What the hub knows of all machines, counted when it is asked for."""

    def __init__(self, workers: Callable[[], Iterable[Worker]]) -> None:
        self._workers = workers

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: the registry would ask for the records before they are read."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges, in the same order each time."""
        known = list(self._workers())
        states = Counted(str(worker.state) for worker in known)
        yield _gauge(
            "cloudjhub_machines", "Machines, by state", "state", {state: states[state] for state in State}
        )
        reasons = Counted(
            worker.stop_reason or "unknown" for worker in known if worker.state is State.STOPPED
        )
        yield _gauge(
            "cloudjhub_stopped_machines", "Stopped machines, by why they were stopped", "reason", reasons
        )
        dollars = sum(PER_HOUR.get(one.instance_type, 0.0) for one in known if one.state is State.RUNNING)
        cost = GaugeMetricFamily(
            "cloudjhub_running_dollars_per_hour",
            "What the running machines cost an hour, where their price is known",
        )
        cost.add_metric([], dollars)
        yield cost


def watch(workers: Callable[[], Iterable[Worker]]) -> None:
    """Registers the gauges of these workers. Once in a process."""
    REGISTRY.register(Machines(workers))


def _gauge(name: str, about: str, label: str, values: dict[str, int] | Counted[str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=[label])
    for value, number in sorted(values.items()):
        family.add_metric([value], number)
    return family
