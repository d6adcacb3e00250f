"""A network namespace of the tests' own: machines may listen on every address, and only the registries are far away.

The calling thread moves into it, and all that it starts is in it. Programs reach the outside by address translation.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
# A network of two addresses, another one for each test run on this host.
BLOCK = 4 * (os.getpid() % (1 << 14))
OUTSIDE, INSIDE = (f"192.168.{BLOCK >> 8}.{BLOCK % 256 + host}" for host in (1, 2))
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


@contextmanager
def own_network() -> Iterator[str]:
    """Inside, this thread is in the namespace; gives its name."""
    name = f"cloudjhub{os.getpid()}"
    before = FORWARDING.read_text()
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _build(name)
        with open(f"/run/netns/{name}") as inside:
            _enter(inside.fileno())
        yield name
    finally:
        _enter(home)
        os.close(home)
        FORWARDING.write_text(before)
        for command in (
            f"nft delete table ip {name}",
            f"ip link delete {_device()}",
            f"ip netns delete {name}",
        ):
            subprocess.run(command.split(), stderr=subprocess.DEVNULL, check=False)


def _build(name: str) -> None:
    device = _device()
    for command in (
        f"ip netns add {name}",
        f"ip link add {device} type veth peer name eth0 netns {name}",
        f"ip address add {OUTSIDE}/30 dev {device}",
        f"ip link set {device} up",
        f"ip -netns {name} address add {INSIDE}/30 dev eth0",
        f"ip -netns {name} link set eth0 up",
        f"ip -netns {name} link set lo up",
        f"ip -netns {name} route add default via {OUTSIDE}",
        f"nft add table ip {name}",
        f"nft add chain ip {name} leaving {{ type nat hook postrouting priority 100 ; }}",
        f"nft add rule ip {name} leaving ip saddr {INSIDE} masquerade",
    ):
        subprocess.run(command.split(), check=True)
    FORWARDING.write_text("1")


def _device() -> str:
    return f"cjh{os.getpid()}"


def _enter(namespace: int) -> None:
    # os.setns is new in Python 3.12.
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
