"""The manager's units: systemd reads them, they are hardened, and no secret is in them."""

import shutil
import subprocess
from configparser import RawConfigParser
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap.config.choices import Https
from bootstrap.machines.manager import services as units
from bootstrap.machines.manager.config import ManagerConfig
from bootstrap.machines.manager.services import command_line
from bootstrap.machines.manager.web.nginx import nginx_conf, pages
from tests.bootstrap.manager_examples import config

RENDERED = Path(__file__).with_name("rendered")

EVERYTHING = config(
    https=Https.OWN, nat_range="10.77.0.0/16", subdomains=True, reboot_window="Sun 04:00-05:00 Europe/Berlin"
)
FRONT = {units.NGINX, units.UPDATE, units.UPDATE_PATH}
ALWAYS = {
    units.MOUNT,
    units.HUB,
    units.PROXY,
    units.JOURNAL,
    units.FRESHNESS,
    units.FRESHNESS_TIMER,
    units.BACKUP,
    units.BACKUP_TIMER,
}
SERVICES = (units.HUB, units.PROXY, units.NGINX, units.JOURNAL)


def parsed(text: str) -> RawConfigParser:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


@pytest.mark.parametrize(
    ("told", "more"),
    [
        (config(https=Https.NONE, public_url="http://127.0.0.1:8000"), set()),
        (config(), FRONT),
        (
            config(https=Https.LETS_ENCRYPT),
            FRONT | {units.CERTIFICATE_UNIT, units.CERTIFICATE_TIMER},
        ),
        (config(https=Https.OWN), FRONT | {units.CERTIFICATE_UNIT, units.CERTIFICATE_TIMER}),
        (config(nat_range="10.0.0.0/16"), FRONT | {units.NAT}),
        (config(reboot_window="daily 23:30-00:30"), FRONT | {units.REBOOT, units.REBOOT_TIMER}),
    ],
)
def test_a_manager_has_the_units_that_it_needs(told: ManagerConfig, more: set[str]) -> None:
    assert set(units.units(told)) == ALWAYS | more


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    texts = {**units.units(EVERYTHING), units.SETUP: units.unit(units.SETUP, EVERYTHING)}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    paths = [str(tmp_path / name) for name in texts]
    run = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    ours = [line for line in run.stderr.splitlines() if "cloudjhub" in line]
    # What they run is not installed here.
    assert [line for line in ours if "is not executable" not in line] == []


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_hardened_and_kept_running(name: str) -> None:
    service = parsed(units.units(EVERYTHING)[name])["Service"]
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] in ("", "CAP_NET_BIND_SERVICE")
    assert service["Restart"] == "always"
    assert service.get("DynamicUser") == "yes" or service["User"] not in ("", "root")
    assert parsed(units.units(EVERYTHING)[name])["Unit"]["StartLimitIntervalSec"] == "0"


ALL = {**units.units(EVERYTHING), units.SETUP: units.unit(units.SETUP, EVERYTHING)}
LEAST_EXPOSED = 40  # 4.0 of 10, as systemd-analyze counts


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
@pytest.mark.parametrize("name", [name for name in ALL if name.endswith(".service")])
def test_every_service_is_exposed_little(name: str, tmp_path: Path) -> None:
    """Those of root that run once too: their exposure, as systemd counts it, is below 4."""
    (tmp_path / name).write_text(ALL[name])
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={LEAST_EXPOSED}"]
    run = subprocess.run([*command, str(tmp_path / name)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-200:]


@pytest.mark.parametrize("name", [name for name in ALL if name.endswith(".service") and name != units.SETUP])
def test_no_service_takes_all_memory_or_processes(name: str) -> None:
    service = parsed(ALL[name])["Service"]
    assert service["MemoryMax"]
    assert int(service["TasksMax"]) <= 256


def test_the_hub_takes_no_server_with_it() -> None:
    for name in (units.PROXY, units.NGINX):
        text = units.units(EVERYTHING)[name]
        assert not any(f"{bond}={units.HUB}" in text for bond in ("Requires", "BindsTo", "PartOf", "Upholds"))
    hub = units.units(EVERYTHING)[units.HUB]
    assert units.PROXY not in hub


def test_only_the_hub_and_the_journal_reach_the_role() -> None:
    found = {name: parsed(text) for name, text in units.units(EVERYTHING).items() if name in SERVICES}
    assert {name for name in found if "IPAddressDeny" not in found[name]["Service"]} == {
        units.HUB,
        units.JOURNAL,
    }


def test_the_state_disk_is_there_before_who_needs_it() -> None:
    found = units.units(EVERYTHING)
    assert "RequiresMountsFor=/var/lib/cloudjhub" in found[units.HUB]
    assert parsed(found[units.MOUNT])["Mount"]["What"] == "/dev/disk/by-label/cloudjhub-state"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["/bin/a", "b"], "/bin/a b"),
        (["/bin/a", "two words"], '/bin/a "two words"'),
        (["/bin/a", "100%", "$HOME"], "/bin/a 100%% $$HOME"),
        (["/bin/a", 'say "x"', ""], '/bin/a "say \\"x\\"" ""'),
    ],
)
def test_each_word_of_a_command_stays_itself(words: list[str], line: str) -> None:
    assert command_line(words) == line


@pytest.mark.parametrize("value", ["a\nExecStart=/bin/sh", "a\rb", "a\x00"])
def test_a_value_cannot_begin_another_line(value: str) -> None:
    with pytest.raises(ValueError, match=r"cloudjhub-hub\.service: region has more than one line"):
        units.units(replace(EVERYTHING, region=value))


def test_every_file_is_exactly_as_expected() -> None:
    """Whole texts: a change of a template is seen here as it will be on the manager."""
    texts = {
        **units.units(EVERYTHING),
        units.SETUP: units.unit(units.SETUP, EVERYTHING),
        "nginx.conf": nginx_conf(EVERYTHING),
        **{name: text for name, text in pages().items() if name == "unavailable.html"},
        "nat.nft": units.nat_rules(EVERYTHING),
        "upgrades.conf": units.upgrades(),
        "journald.conf": units.journal_limits(),
    }
    expected = {path.name: path.read_text() for path in RENDERED.iterdir()}
    assert texts == expected


def test_every_template_is_used() -> None:
    names = {
        *units.units(EVERYTHING),
        units.SETUP,
        "nginx.conf",
        "page.html",
        "nat.nft",
        "hardening.conf",
        "upgrades.conf",
        "journald.conf",
    }
    assert {path.name for path in units.TEMPLATES.iterdir()} == names | {"upgrades.conf"}


def test_no_log_fills_the_disk() -> None:
    """The journal has a limit and leaves room; nothing else writes what is logged: nginx writes no log, and rsyslog,
    which would write files without a limit, gets nothing.
    """
    journal = parsed(units.journal_limits())["Journal"]
    assert journal["SystemMaxUse"] == "500M"
    assert journal["SystemKeepFree"] == "1G"
    assert journal["ForwardToSyslog"] == "no"
    nginx = nginx_conf(EVERYTHING)
    assert "access_log off;" in nginx
    assert "error_log stderr crit;" in nginx
    for name in SERVICES:
        service = parsed(units.units(EVERYTHING)[name])["Service"]
        assert not {"StandardOutput", "StandardError"} & set(service)


def test_only_what_workers_begin_is_forwarded() -> None:
    rules = units.nat_rules(config(nat_range="10.77.0.0/16"))
    assert "policy drop" in rules
    assert "ip saddr 10.77.0.0/16 ip daddr != 10.77.0.0/16 masquerade" in rules
    assert "169.254.0.0/16 drop" in rules
