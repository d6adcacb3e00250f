"""The manager's forwarding (egress `dual-stack` and `manager`), by its real rules, between network namespaces.

Each namespace and the cables between them are the test's own: nothing of this machine's network is changed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bootstrap.machines.manager import services
from tests.bootstrap.manager_examples import CONFIG

NETWORK = "10.77.0.0/16"
MANAGER, WORKER, OTHER = "10.77.0.10", "10.77.16.5", "10.77.32.5"
OUTSIDE, SITE = "198.51.100.1", "198.51.100.2"
METADATA = "169.254.169.254"
"""Where the manager's own metadata would be."""
PORT = 8888
SERVER = f"""
import socketserver, sys
class Answer(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.client_address[0].encode())
socketserver.TCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer(("0.0.0.0", {PORT}), Answer) as server:
    print("listening", flush=True)
    server.serve_forever()
"""
CLIENT = f"""
import socket, sys
try:
    with socket.create_connection((sys.argv[1], {PORT}), timeout=float(sys.argv[2])) as made:
        print(made.recv(100).decode())
except OSError:
    print("refused")
"""
PATIENT, SHORT = "30", "1"
"""Seconds for a connection that must come about, and for one that must not."""


@dataclass(frozen=True)
class Namespaces:
    """Manager, two workers and a site on the internet."""

    prefix: str

    def within(self, name: str, *command: str) -> list[str]:
        return ["ip", "netns", "exec", f"{self.prefix}{name}", *command]

    def run(self, name: str, *command: str) -> str:
        return subprocess.run(self.within(name, *command), check=True, capture_output=True, text=True).stdout

    def seen_as(self, name: str, address: str, patience: str = PATIENT) -> str:
        """The address under which a server sees a connection from this namespace, or "refused"."""
        return self.run(name, sys.executable, "-c", CLIENT, address, patience).strip()


def cable(prefix: str, name: str, far: str, near: str, far_address: str) -> Iterator[str]:
    """Commands that join a namespace to the manager's."""
    manager, other = f"{prefix}m", f"{prefix}{name}"
    yield f"ip netns add {other}"
    yield f"ip -n {manager} link add to{name} type veth peer name eth0 netns {other}"
    yield f"ip -n {manager} address add {near} dev to{name}"
    yield f"ip -n {manager} link set to{name} up"
    yield f"ip -n {other} address add {far_address} dev eth0"
    yield f"ip -n {other} link set eth0 up"
    yield f"ip -n {other} link set lo up"
    yield f"ip -n {other} route add default via {far}"


@pytest.fixture(scope="module")
def net() -> Iterator[Namespaces]:
    if os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip"):
        pytest.skip("needs root, nft and ip: run `sudo make machines`")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip(
            "this root may make no namespaces, as in most containers: run `make machines` on a machine"
        )
    prefix = f"cjf{os.getpid()}"
    made, servers = Namespaces(prefix), []
    try:
        for command in (
            f"ip netns add {prefix}m",
            *cable(prefix, "w", "10.77.16.1", "10.77.16.1/20", f"{WORKER}/20"),
            *cable(prefix, "o", "10.77.32.1", "10.77.32.1/20", f"{OTHER}/20"),
            *cable(prefix, "s", OUTSIDE, f"{OUTSIDE}/30", f"{SITE}/30"),
        ):
            subprocess.run(command.split(), check=True)
        made.run("s", "ip", "address", "add", f"{METADATA}/32", "dev", "eth0")
        made.run("m", "ip", "route", "add", METADATA, "via", SITE)
        made.run("m", "sysctl", "--quiet", "net.ipv4.ip_forward=1")
        for name in ("w", "o", "s"):
            server = subprocess.Popen(
                made.within(name, sys.executable, "-c", SERVER), stdout=subprocess.PIPE, text=True
            )
            servers.append(server)
            assert server.stdout is not None
            assert server.stdout.readline() == "listening\n"
        yield made
    finally:
        for server in servers:
            server.terminate()
            server.communicate()
        for name in ("w", "o", "s", "m"):
            subprocess.run(
                ["ip", "netns", "delete", f"{prefix}{name}"], stderr=subprocess.DEVNULL, check=False
            )


@pytest.fixture(scope="module")
def before(net: Namespaces) -> dict[str, str]:
    """What forwarding without rules does: everything, and everything by its own address."""
    return {
        "out": net.seen_as("w", SITE),
        "in": net.seen_as("s", WORKER),
        "between": net.seen_as("w", OTHER),
        "metadata": net.seen_as("w", METADATA),
    }


@pytest.fixture(scope="module")
def forwarding(
    net: Namespaces, before: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Namespaces:
    """With the manager's rules, loaded twice, as after a restart of its service."""
    rules = Path(tmp_path_factory.mktemp("rules")) / "nat.nft"
    rules.write_text(services.nat_rules(replace(CONFIG, nat_range=NETWORK)))
    for _ in range(2):
        net.run("m", "nft", "--file", str(rules))
    return net


def test_without_rules_all_of_these_connections_come_about(before: dict[str, str]) -> None:
    assert before == {"out": WORKER, "in": SITE, "between": WORKER, "metadata": WORKER}


def test_a_worker_reaches_the_internet_by_the_managers_address(forwarding: Namespaces) -> None:
    assert forwarding.seen_as("w", SITE) == OUTSIDE
    assert forwarding.seen_as("o", SITE) == OUTSIDE


def test_the_internet_reaches_no_worker(forwarding: Namespaces) -> None:
    assert forwarding.seen_as("s", WORKER, SHORT) == "refused"


def test_a_worker_reaches_no_other_worker_through_the_manager(forwarding: Namespaces) -> None:
    assert forwarding.seen_as("w", OTHER, SHORT) == "refused"


def test_a_worker_reaches_no_metadata_service_through_the_manager(forwarding: Namespaces) -> None:
    assert forwarding.seen_as("w", METADATA, SHORT) == "refused"


def test_the_managers_own_connections_are_not_translated(forwarding: Namespaces) -> None:
    """The hub reaches workers as before."""
    assert forwarding.seen_as("m", WORKER) == "10.77.16.1"
    assert forwarding.seen_as("m", SITE) == OUTSIDE


def test_nothing_of_ipv6_is_forwarded(forwarding: Namespaces) -> None:
    """IPv6 leaves by the VPC's own gateway; the manager has none."""
    assert forwarding.run("m", "sysctl", "--values", "net.ipv6.conf.all.forwarding").strip() == "0"
