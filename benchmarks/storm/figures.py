"""The figures of a storm, from the reports of its processes; and the cost of idle servers for the hub.

Idle servers cost the hub its poll() of each, and its reads of the records.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyterhub import orm

from benchmarks.storm.cluster import Cluster, Usage, running
from benchmarks.storm.machines import server_time
from benchmarks.storm.settings import CLUSTER, Storm
from hub.config.settings import WORKER_PORT
from hub.identity import worker_token
from hub.spawn.tokens import NOTE
from tests.shared.waiting import until


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The results of a storm. Seconds, megabytes."""

    storm: Storm
    problems: Counter[str]
    """What users saw instead of a server."""
    duplicates: int
    """Starts of a second machine for a user, and users with more than one."""
    machines: int
    calls: Counter[str]
    """Calls of the hub during the storm, by "service:Action"."""
    lifecycle: Counter[str]
    """The lifecycle app's calls of EC2."""
    latest: float
    """From the first user's arrival to the last one's JupyterLab."""
    overheads: Sequence[float]
    """Of each user, sorted: from the password to JupyterLab, without the machine's boot and the server's start."""
    form: Sequence[float]
    """From the request for the login page until it was loaded with its assets, sorted."""
    gaps: Sequence[Mapping[str, Any]]
    """Ticks of the hub's loop over 100 ms late: one step took long, many waited, or no core was free."""
    steps: Sequence[Mapping[str, Any]]
    """Single steps of the loop that took over 100 ms."""
    usage: Mapping[str, Usage]
    others: float = 0.0
    """Cores that other programs used meanwhile."""
    places: Sequence[Sequence[int]] = ()
    """The places in the queue that each user saw, in the order of arrival."""
    overtaken: int = 0
    """The largest number of users who overtook one that came at least half a second earlier."""

    @property
    def failed(self) -> int:
        """The number of users without a server."""
        return sum(self.problems.values())

    def per_login(self, call: str) -> float:
        """Calls of the hub for each user."""
        return self.calls[call] / self.storm.users

    def longest_gap(self) -> tuple[float, float]:
        """The longest delay of the tick, and how much of it the loop's thread used a core."""
        return max(((one["gap"], one["cpu"]) for one in self.gaps), default=(0.0, 0.0))

    def longest_step(self) -> float:
        """The longest time that one step of the loop took; 0 if none took over 100 ms."""
        return max((one["step"] for one in self.steps), default=0.0)


def percentile(values: Sequence[float], share: float) -> float:
    """Of sorted values; 0 for none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def measure(storm: Storm) -> Figures:
    """Runs a storm against a new cluster."""
    with tempfile.TemporaryDirectory(prefix="storm-") as folder, running(storm, Path(folder)) as cluster:
        before = cluster.counts()
        with cluster.used() as usage:
            visits = cluster.visits()
        counts = cluster.counts()
        since = min(visit["came"] for visit in visits)
        gaps, steps = cluster.loop("gap", since), cluster.loop("step", since)
    calls = Counter(counts["calls"])
    calls.subtract(before["calls"])
    found = _figures(storm, visits, counts, calls, gaps, steps, usage)
    return replace(found, others=cluster.others)


def _figures(
    storm: Storm,
    visits: list[dict[str, Any]],
    counts: Mapping[str, Any],
    calls: Counter[str],
    gaps: Sequence[Mapping[str, Any]],
    steps: Sequence[Mapping[str, Any]],
    usage: Mapping[str, Usage],
) -> Figures:
    times: dict[str, dict[str, float]] = {}
    for change in counts["changes"]:
        times.setdefault(change["user"], {}).setdefault(change["state"], change["at"])
    served = [visit for visit in visits if visit["usable"]]
    hub = Counter({name: count for name, count in calls.items() if ":" in name and count})
    return Figures(
        storm=storm,
        problems=Counter(visit["problem"] for visit in visits if visit["problem"]),
        duplicates=counts["duplicates"] + counts["several"],
        machines=counts["machines"],
        calls=hub,
        lifecycle=Counter({name: count for name, count in calls.items() if name not in hub and count}),
        latest=max((v["usable"] for v in served), default=0.0) - min(v["came"] for v in visits),
        overheads=sorted(_overhead(storm, visit, times[visit["name"]]) for visit in served),
        form=sorted(visit["pressed"] - visit["came"] for visit in visits if visit["pressed"]),
        gaps=gaps,
        steps=steps,
        usage=usage,
        places=[visit["places"] for visit in sorted(visits, key=lambda one: float(one["pressed"]))],
        overtaken=overtaken(
            [(visit["pressed"], times.get(visit["name"], {}).get("pending", 0.0)) for visit in served]
        ),
    )


def _overhead(storm: Storm, visit: Mapping[str, Any], times: Mapping[str, float]) -> float:
    boot = times["running"] - times["pending"]
    return float(visit["usable"] - visit["pressed"] - boot - server_time(storm, visit["name"]))


def overtaken(times: Sequence[tuple[float, float]], clear: float = 0.5) -> int:
    """The largest number of users who overtook one that came clearly earlier; `times`: when each came and was
    served."""
    return max(
        (
            sum(other_came > came + clear and other < served for other_came, other in times)
            for came, served in times
        ),
        default=0,
    )


ROUND = 5.0
"""Seconds between two polls of a server, and between two reads of the records: the hub's default."""
SETTLED = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """The hub with this number of servers, and what it used in `rounds` rounds of polls."""

    servers: int
    rounds: float
    cpu: float
    """Seconds."""
    calls: Counter[str]
    memory: float
    longest_block: float
    ready: float
    """Seconds after its start until the hub had adopted all servers."""

    @property
    def per_poll(self) -> float:
        """Milliseconds of CPU for each server and round, including everything else that the hub does."""
        return 1000 * self.cpu / (self.rounds * self.servers) if self.servers else 0.0


def idle_servers(servers: int, rounds: float) -> Quiet:
    """A hub that adopts this number of running servers, and polls them."""
    storm = Storm(users=servers, running=True)
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        directory = Path(folder)
        with running(storm, directory) as cluster:
            began = time.time()
            cluster.restart_hub(lambda: _populate(cluster, servers))
            until(lambda: _active(cluster) == servers)
            ready = time.time() - began
            time.sleep(SETTLED)
            return _watched(cluster, servers, rounds, ready)


def _watched(cluster: Cluster, servers: int, rounds: float, ready: float) -> Quiet:
    before, since = Counter(cluster.counts()["calls"]), time.time()
    with cluster.used() as usage:
        time.sleep(rounds * ROUND)
    calls = Counter(cluster.counts()["calls"])
    calls.subtract(before)
    return Quiet(
        servers=servers,
        rounds=rounds,
        cpu=usage["hub"].cpu,
        memory=usage["hub"].memory,
        calls=+calls,
        longest_block=max((one["gap"] for one in cluster.loop("gap", since)), default=0.0),
        ready=ready,
    )


def _active(cluster: Cluster) -> int:
    """Servers with a route in the proxy."""
    return cluster.routes() - 1


def _populate(cluster: Cluster, servers: int) -> None:
    """All servers have run since yesterday, according to the database of the hub that was killed."""
    db = orm.new_session_factory(f"sqlite:///{cluster.directory / 'state/jupyterhub.sqlite'}")()
    role = orm.Role.find(db, "user")
    now = datetime.now(UTC)
    addresses = {change["user"]: change["address"] for change in cluster.counts()["changes"]}
    for number in range(servers):
        name, instance = cluster.storm.name(number), f"i-{number:017x}"
        user = orm.User.find(db, name) or orm.User(name=name, roles=[role])
        address = addresses[name]
        state = {"instance_id": instance, "address": address, "alive_at": now.timestamp()}
        server = orm.Server(proto="http", ip=address, port=WORKER_PORT, base_url=f"/user/{name}/")
        db.add(user)
        db.add(orm.Spawner(name="", user=user, server=server, state=state, started=now.replace(tzinfo=None)))
        db.flush()
        token = worker_token(cluster.hub.secrets["hub/worker-token-key"], CLUSTER, name, instance)
        user.new_api_token(token, note=NOTE + name, scopes=["users:activity!user", "access:servers!user"])
    db.commit()
    db.close()


def without_servers(quiet: Quiet, empty: Quiet) -> Quiet:
    """What the servers add to an empty hub."""
    return replace(quiet, cpu=quiet.cpu - empty.cpu * quiet.rounds / empty.rounds)
