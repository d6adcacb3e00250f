"""The worker image's systemd units are well-formed, as far as systemd itself can tell."""

import shutil
import subprocess
from pathlib import Path

import pytest

import bootstrap.worker

UNITS = Path(bootstrap.worker.__path__[0]) / "systemd"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """With the image's programs replaced by one that exists here."""
    units = []
    for unit in [*UNITS.glob("*.service"), *UNITS.glob("*.mount")]:
        text = unit.read_text(encoding="utf-8")
        for program in (
            "/opt/cloudjhub/bin/python",
            "/opt/cloudjhub/libexec/format-home",
            "/usr/bin/udevadm",
        ):
            text = text.replace(program, "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
        units.append(str(tmp_path / unit.name))
    assert len(units) == 3
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in checked.stderr.splitlines() if "cloudjhub" in line or "home-jovyan" in line]
    assert (checked.returncode, ours) == (0, []), checked.stderr


def test_the_shell_accepts_the_script() -> None:
    subprocess.run(["sh", "-n", str(UNITS / "format-home")], check=True)
