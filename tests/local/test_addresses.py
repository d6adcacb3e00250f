"""Addresses that another process holds are named before anything starts, each with what to do about it."""

import socket
from pathlib import Path

import pytest

from bootstrap.errors import PortInUse
from bootstrap.local.settings import LocalSettings, hold_ipv6, is_free
from bootstrap.local.supervisor import check_ports_free

# Out of the range that local clouds take by themselves.
NETWORK = 251
HUB_PORT = 18_000


@pytest.mark.parametrize(
    ("address", "port", "says"),
    [
        ("127.0.0.1", HUB_PORT, "choose another with --port"),
        (f"127.{NETWORK}.0.2", 4566, "end the program that uses it"),
        (f"127.{NETWORK}.0.3", 4566, "end the program that uses it"),
        (f"127.{NETWORK}.0.10", 8081, "end the program that uses it"),
        (f"127.{NETWORK}.0.10", 8001, "end the program that uses it"),
        (f"127.{NETWORK}.16.1", 8888, "workers listen there; end the program that listens on every address"),
    ],
)
def test_a_taken_address_is_named_with_its_fix(tmp_path: Path, address: str, port: int, says: str) -> None:
    settings = LocalSettings(state_dir=tmp_path, port=HUB_PORT, network=NETWORK)
    check_ports_free(settings)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((address, port))
        taken.listen()
        with pytest.raises(PortInUse, match=f"port {port} on {address} is in use: {says}"):
            check_ports_free(settings)


@pytest.mark.parametrize(("family", "everywhere"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])
def test_who_listens_on_every_address_is_found_on_each(family: socket.AddressFamily, everywhere: str) -> None:
    with socket.socket(family) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((everywhere, 0))
        taken.listen()
        assert not is_free(f"127.{NETWORK}.16.1", taken.getsockname()[1])


def test_no_other_program_answers_in_the_hubs_place_on_ipv6() -> None:
    """Browsers ask ::1 too for a name below localhost. There they are refused at once, and go on to 127.0.0.1."""
    held = hold_ipv6(HUB_PORT)
    if held is None:
        pytest.skip("this machine has no IPv6")
    with held, socket.socket(socket.AF_INET6) as other, socket.socket(socket.AF_INET6) as browser:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("::1", HUB_PORT))
        with pytest.raises(ConnectionRefusedError):
            browser.connect(("::1", HUB_PORT))
        with pytest.raises(PortInUse, match=f"port {HUB_PORT} on ::1 is in use: choose another with --port"):
            hold_ipv6(HUB_PORT)
    again = hold_ipv6(HUB_PORT)
    assert again is not None
    again.close()
