"""The worker image's systemd units are well-formed, as far as systemd itself can tell."""

import shutil
import subprocess
from pathlib import Path

import pytest

import bootstrap.worker
from bootstrap.worker.home import Places

UNITS = Path(bootstrap.worker.__path__[0]) / "systemd"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """With the image's programs replaced by one that exists here."""
    units = []
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.mount"), *UNITS.glob("*.timer")]:
        text = unit.read_text(encoding="utf-8")
        text = text.replace("/opt/cloudjhub/bin/python", "/bin/true").replace("=resize2fs", "=/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
        units.append(str(tmp_path / unit.name))
    assert len(units) == 7
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in checked.stderr.splitlines() if "cloudjhub" in line or "home-jovyan" in line]
    assert (checked.returncode, ours) == (0, []), checked.stderr


def test_no_server_without_the_home_and_no_mount_of_a_disk_that_was_not_prepared() -> None:
    """Each needs the one before it, and comes after it: a failure of one is a failure of all that follow."""

    def lines(unit: str) -> list[str]:
        return (UNITS / unit).read_text(encoding="utf-8").splitlines()

    server, mount, disk = map(
        lines, ("cloudjhub-worker.service", "home-jovyan.mount", "cloudjhub-home.service")
    )
    assert "RequiresMountsFor=/home/jovyan" in server
    assert {"Where=/home/jovyan", "Requires=cloudjhub-home.service", "After=cloudjhub-home.service"} <= set(
        mount
    )
    assert f"What={Places().link}" in mount
    assert f"ConditionPathIsSymbolicLink={Places().link}" in mount
    assert {"Type=oneshot", "RemainAfterExit=yes"} <= set(disk)
    assert "OnFailure=cloudjhub-home-failed.service" in mount
    assert "OnFailure=cloudjhub-home-failed.service" in disk
    assert not [line for line in disk if line.startswith(("ExecStart=-", "SuccessExitStatus", "Restart"))]
