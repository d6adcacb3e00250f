"""Security updates of manager and image: when the manager reboots, and what `doctor` says of its updates."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bootstrap.aws import names
from bootstrap.aws.site import Site
from bootstrap.config.reboot_window import reboot_window
from bootstrap.machines.image import setup, start
from bootstrap.machines.manager import freshness, services
from bootstrap.machines.manager.freshness import Freshness, gathered, line, read
from bootstrap.machines.manager.system import SetupError
from bootstrap.operations.health import facts, findings
from tests.bootstrap.half_built import MOTO_WARNS, unbuilt

pytestmark = pytest.mark.filterwarnings(MOTO_WARNS)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
FRESH = Freshness(
    pending=0,
    reboot_since=None,
    fetched_at=NOW.timestamp(),
    system="Ubuntu 24.04.9 LTS",
    supported_until="2029-05-31",
)
SIMULATED = """\
NOTE: This is only a simulation!
Inst libssl3t64 [3.0.13-0ubuntu3.4] (3.0.13-0ubuntu3.5 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64])
Inst libc6 [2.36-9] (2.36-9+deb12u9 Debian-Security:12/oldstable-security [amd64])
Inst vim [1] (2 Ubuntu:24.04/noble-updates [amd64])
Conf libssl3t64 (3.0.13-0ubuntu3.5 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64])
"""
RELEASES = """\
version,codename,series,created,release,eol,eol-server
22.04 LTS,Jammy Jellyfish,jammy,2021-10-14,2022-04-21,2027-04-01,2027-04-01
24.04 LTS,Noble Numbat,noble,2023-10-26,2024-04-25,2029-05-31,2029-05-31
"""


@pytest.mark.parametrize(
    ("text", "calendar", "length"),
    [
        ("Sun 04:00-05:00", "Sun *-*-* 04:00:00 UTC", timedelta(hours=1)),
        ("daily 23:30-00:30", "*-*-* 23:30:00 UTC", timedelta(hours=1)),
        ("Wed 03:15-03:30 Europe/Berlin", "Wed *-*-* 03:15:00 Europe/Berlin", timedelta(minutes=15)),
    ],
)
def test_a_window_is_a_time_of_the_week(text: str, calendar: str, length: timedelta) -> None:
    window = reboot_window(text)
    assert window is not None
    assert (window.calendar, window.length) == (calendar, length)
    if shutil.which("systemd-analyze"):
        subprocess.run(["systemd-analyze", "calendar", calendar], check=True, capture_output=True)


def test_without_a_window_it_never_reboots() -> None:
    assert reboot_window("off") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a time of the week"),
        ("Sun", "not a time of the week"),
        ("Sun 4:00-5:00", "not a time of the week"),
        ("Sun 24:00-25:00", "not a time of the week"),
        ("sun 04:00-05:00", "not a time of the week"),
        ("Sun 04:00-05:00 ", "not a time of the week"),
        ("Sun 04:00-05:00\nx", "not a time of the week"),
        ("Sun 04:00-04:00", "shorter than 15 minutes"),
        ("Sun 04:00-04:14", "shorter than 15 minutes"),
        ("Sun 04:00-05:00 Europe/Atlantis", "not a time zone"),
        ("Sun 04:00-05:00 ../../etc/passwd", "not a time zone"),
    ],
)
def test_what_is_no_window_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        reboot_window(text)


@pytest.mark.skipif(not shutil.which("apt-config"), reason="apt is not installed")
def test_apt_reads_what_is_installed_by_itself(tmp_path: Path) -> None:
    """The security pocket alone, whatever the distribution's file says; nothing is removed, nothing rebooted."""
    distribution = tmp_path / "50unattended-upgrades"
    distribution.write_text(
        'Unattended-Upgrade::Allowed-Origins { "Ubuntu:noble-updates"; };\n'
        'Unattended-Upgrade::Origins-Pattern { "origin=Debian"; };\n'
        'Unattended-Upgrade::Automatic-Reboot "true";\n'
    )
    (tmp_path / "90cloudjhub").write_text(services.upgrades())
    main = tmp_path / "main.conf"
    main.write_text(f'Dir::Etc::parts "{tmp_path}";\n')
    dump = subprocess.run(
        ["apt-config", "dump"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "APT_CONFIG": str(main)},
    ).stdout
    found = [one for one in dump.splitlines() if "Unattended-Upgrade" in one]
    origins = [one for one in found if "Origins" in one and not one.endswith(' "";')]
    assert origins == [
        'Unattended-Upgrade::Origins-Pattern:: "origin=Ubuntu,suite=${distro_codename}-security";',
        'Unattended-Upgrade::Origins-Pattern:: "origin=Debian,codename=${distro_codename}-security";',
    ]
    for setting in ("Automatic-Reboot", "Remove-Unused-Dependencies", "Remove-New-Unused-Dependencies"):
        assert f'Unattended-Upgrade::{setting} "false";' in found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, content in {
        "etc/os-release": 'ID=ubuntu\nVERSION_CODENAME=noble\nPRETTY_NAME="Ubuntu 24.04.9 LTS"\n',
        "usr/share/distro-info/ubuntu.csv": RELEASES,
        "var/lib/apt/periodic/update-success-stamp": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    return tmp_path


def test_the_manager_counts_its_security_updates(root: Path) -> None:
    found = gathered(root, lambda _: SIMULATED)
    stamp = (root / "var/lib/apt/periodic/update-success-stamp").stat().st_mtime
    assert found == replace(FRESH, pending=2, fetched_at=stamp)
    (root / "run").mkdir()
    (root / "run/reboot-required").write_text("*** System restart required ***\n")
    assert gathered(root, lambda _: "").reboot_since == (root / "run/reboot-required").stat().st_mtime


def test_what_it_cannot_know_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> Freshness:
        raise SetupError("apt-get ended with 100: no lists")

    monkeypatch.setattr(freshness, "gathered", fail)
    assert freshness.main() == 1
    assert (
        capsys.readouterr().out
        == "the security updates cannot be counted: apt-get ended with 100: no lists\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "cloudjhub-hub: cloudjhub-freshness: security updates: {}",
        f"{freshness.MARK}{{}}",
        f"{freshness.MARK}[1]",
        line(replace(FRESH, reboot_since=1e300)).join(["cloudjhub-freshness: ", ""]),
    ],
)
def test_other_lines_of_the_log_say_nothing(text: str) -> None:
    """No user can write this one, whatever a unit logs: it begins with its own unit's name."""
    assert read(text) is None


@pytest.mark.parametrize(
    ("found", "window", "begins"),
    [
        (FRESH, "off", []),
        (replace(FRESH, pending=2), "off", ["2 security updates of the manager are not installed"]),
        (
            replace(FRESH, reboot_since=(NOW - 2 * DAY).timestamp()), "Sun 04:00-05:00",
            ["the manager has waited 2880 min for the reboot that completes security updates: it reboots itself Sun "
             "04:00-05:00; no user's machine stops"],
        ),
        (
            replace(FRESH, reboot_since=(NOW - DAY).timestamp()), "off",
            ["the manager has waited 1440 min for the reboot that completes security updates: reboot it by Session "],
        ),
        (replace(FRESH, fetched_at=(NOW - findings.SILENT_FOR).timestamp()), "off", []),
        (
            replace(FRESH, fetched_at=(NOW - findings.SILENT_FOR - SECOND).timestamp()), "off",
            ["the manager has not reached its package archives for 4320 min"],
        ),
        (replace(FRESH, supported_until=""), "off", []),
        (
            replace(FRESH, supported_until="2027-04-01"), "off",
            ["security updates of Ubuntu 24.04.9 LTS, on the manager, end on 2027-04-01: choose a newer "],
        ),
    ],
)  # fmt: skip
def test_what_doctor_says_of_the_manager(found: Freshness, window: str, begins: list[str]) -> None:
    said = findings.freshness(found, window, NOW, NOW)
    assert [one[: len(wanted)] for one, wanted in zip(said, begins, strict=True)] == begins


def test_a_manager_that_says_nothing_is_reported_once_it_had_time_to() -> None:
    assert findings.freshness(None, "off", NOW - findings.SILENT_FOR, NOW) == []
    [said] = findings.freshness(None, "off", NOW - findings.SILENT_FOR - SECOND, NOW)
    assert said.startswith("the manager has not counted its security updates for 3 days: ")


@pytest.mark.parametrize(("age", "is_old"), [(findings.IMAGE_AGES, False), (findings.IMAGE_AGES + DAY, True)])
def test_an_old_image_is_reported(age: timedelta, is_old: bool) -> None:
    said = findings.image("ami-1", "available", NOW - age, NOW)
    assert [one.partition(" and")[0] for one in said] == ["the worker image ami-1 is 31 days old"] * is_old


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with unbuilt(tmp_path) as found:
        yield found


def test_doctor_reads_the_managers_newest_line(site: Site) -> None:
    now = datetime.now(UTC)
    assert facts.freshness(site, now) is None
    logs, group = site.aws.client("logs"), names.log_group(site.cluster)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="manager")
    lines = [replace(FRESH, pending=3), replace(FRESH, pending=1)]
    events = [f"cloudjhub-freshness: {line(one)}" for one in lines] + ["cloudjhub-hub: security updates: no"]
    logs.put_log_events(
        logGroupName=group, logStreamName="manager",
        logEvents=[{"timestamp": int(now.timestamp() * 1000) + at, "message": text} for at, text in enumerate(events)],
    )  # fmt: skip
    assert facts.freshness(site, now) == lines[1]


def test_an_image_without_its_updates_is_not_made(tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def run(*command: str, check: bool = True) -> str:
        asked.append(command)
        if "full-upgrade" in command and check:
            raise start.SetupFailed("apt-get ended with 100")
        return ""

    setup.upgrade(tmp_path, run)
    assert asked == []
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/apt-get").touch()
    packages = start.at(tmp_path, setup.PACKAGES)
    packages.parent.mkdir(parents=True)
    packages.write_text('{"apt_packages": [], "packages": [], "setup": ""}')
    with pytest.raises(start.SetupFailed):
        setup.set_up(tmp_path, run)
    assert [one[-1] for one in asked] == ["update", "full-upgrade"]
