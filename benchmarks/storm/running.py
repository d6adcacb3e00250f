"""The cost of 2,000 idle servers for the hub: its poll() of each, and its reads of the records."""

import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from jupyterhub import orm

from benchmarks.storm.cluster import Cluster, running
from benchmarks.storm.settings import CLUSTER, Storm
from hub.config.settings import WORKER_PORT
from hub.identity import worker_token
from tests.shared.waiting import until

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
        user.new_api_token(token, note="storm", scopes=["users:activity!user", "access:servers!user"])
    db.commit()
    db.close()


def without_servers(quiet: Quiet, empty: Quiet) -> Quiet:
    """What the servers add to an empty hub."""
    return replace(quiet, cpu=quiet.cpu - empty.cpu * quiet.rounds / empty.rounds)
