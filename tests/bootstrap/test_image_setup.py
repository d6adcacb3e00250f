"""What the builder does to its disk, part by part, on a directory in place of the disk."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from bootstrap.config.settings import Workers
from bootstrap.machines.bundle import REPOSITORY, build
from bootstrap.machines.fetch import DamagedError, fetch, fetch_packages
from bootstrap.machines.image import additions, setup, start
from bootstrap.machines.image.request import packages_object

PACKED = build()
LIST_KEY, LIST = packages_object(Workers(packages=("numpy>=2", "pandas"), apt_packages=("r-base", "g++")))
PASSWD = "root:x:0:0:root:/root:/bin/bash\n"
PACKAGES = [{"name": "JupyterLab", "version": "4.6.6"}, {"name": "jupyterhub", "version": "6.1.1"},
            {"name": "nbgrader", "version": "0.9.6"}, {"name": "numpy", "version": "2"}]  # fmt: skip
UNIT_FILES = """
snapd.service enabled enabled
snap-core22-1.mount enabled enabled
cloud-init.service enabled enabled
apt-daily-upgrade.timer enabled enabled
systemd-networkd.service enabled enabled
"""


class Store:
    """S3 with the bundle and a list of packages."""

    def get_object(self, Bucket: str, Key: str) -> dict[str, object]:  # noqa: N803 - S3's own words
        assert Bucket == "a-bucket"
        return {"Body": BytesIO({PACKED.key: PACKED.content, LIST_KEY: LIST}[Key])}


class Programs:
    """Replaces pip, systemctl and the like: what they were asked, and what they say."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *command: str, check: bool = True) -> str:
        self.asked.append(command)
        if command[1:3] == ("-m", "venv"):
            (self.root / "opt/cloudjhub/lib/python3.12/site-packages").mkdir(parents=True, exist_ok=True)
        if command[1:2] == (str(self.root / start.FETCH.lstrip("/")),):
            fetch(Store(), "a-bucket", PACKED.key, start.at(self.root, start.BUNDLE))
            fetch_packages(Store(), "a-bucket", LIST_KEY, start.at(self.root, setup.PACKAGES))
        if command[1:2] == ("list-unit-files",):
            return UNIT_FILES
        if command[-1] == "--format=json":
            return json.dumps(PACKAGES)
        return ""

    def of(self, *words: str) -> list[Sequence[str]]:
        return [one for one in self.asked if set(words) <= set(one)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/cloudjhub").mkdir(parents=True)
    (tmp_path / "etc/cloudjhub/image.json").write_text(json.dumps({"packages": LIST_KEY}))
    (tmp_path / "opt/cloudjhub").mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/apt-get").touch()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/os-release").write_text('NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 24.04.9 LTS"\n')
    (tmp_path / "etc/ssh").mkdir()
    (tmp_path / "etc/ssh/ssh_host_rsa_key").write_text("the builder's own")
    (tmp_path / "etc/machine-id").write_text("the builder's own")
    return tmp_path


@pytest.fixture
def programs(root: Path) -> Programs:
    return Programs(root)


def set_up(root: Path, programs: Programs) -> dict[str, str]:
    start.fetch_bundle(root, programs)
    return setup.set_up(root, programs)


def test_the_whole(root: Path, programs: Programs) -> None:
    told = set_up(root, programs)
    assert {name: told[name] for name in ("jupyterlab", "jupyterhub", "nbgrader", "system")} == {
        "jupyterlab": "4.6.6",
        "jupyterhub": "6.1.1",
        "nbgrader": "0.9.6",
        "system": "Ubuntu 24.04.9 LTS",
    }
    libraries = root / "opt/cloudjhub/lib/python3.12/site-packages/bootstrap"
    assert (libraries / "__init__.py").is_file()
    assert (libraries / "worker/boot.py").is_file()
    assert (libraries / "worker/jupyter/labconfig/page_config.json").is_file()
    assert not (root / start.BUNDLE.lstrip("/")).exists()
    left_over = (
        start.CONFIG,
        start.START,
        start.FETCH,
        start.FETCH_REQUIREMENTS,
        setup.PACKAGES,
        setup.CONSTRAINTS,
    )
    for left in left_over:
        assert not start.at(root, left).exists()
    assert programs.of("cloud-init", "clean")


def test_the_reporter_may_read_what_detached_programs_wait_for(root: Path, programs: Programs) -> None:
    set_up(root, programs)
    assert start.at(root, setup.SYSCTL).read_text() == "-kernel.yama.ptrace_scope = 0\n"


def test_what_we_install_is_locked_and_the_operators_packages_come_on_top(
    root: Path, programs: Programs
) -> None:
    set_up(root, programs)
    first, locked, on_top = programs.of("pip", "install")
    assert set(start.LOCKED) <= set(first) & set(locked)
    assert first[-1] == str(start.at(root, start.FETCH_REQUIREMENTS))
    assert locked[-1].endswith("bootstrap/worker/image-requirements.txt")
    assert on_top[-3:] == (str(start.at(root, setup.CONSTRAINTS)), "numpy>=2", "pandas")


def test_packages_of_the_system_are_there_before_pythons_which_may_be_built_with_them(
    root: Path, programs: Programs
) -> None:
    set_up(root, programs)
    [installed] = programs.of("apt-get", "install")
    assert installed[:2] == additions.QUIETLY
    assert installed[-3:] == ("install", "r-base", "g++")
    [updated] = programs.of("apt-get", "update")
    _, _, on_top = programs.of("pip", "install")
    order = [programs.asked.index(tuple(one)) for one in (updated, installed, on_top)]
    assert order == sorted(order)


@pytest.mark.skipif(not shutil.which("apt-cache"), reason="needs apt")
@pytest.mark.parametrize("package", ["no-such-package", "bas.", "base-fil.+"])
def test_a_package_that_apt_takes_for_a_pattern_or_does_not_know_is_named(root: Path, package: str) -> None:
    def real(*command: str, check: bool = True) -> str:
        return start.run(*command, check=check) if command[0] == "apt-cache" else ""

    additions.install_apt(root, ["base-files"], real)
    with pytest.raises(start.SetupFailed, match=re.escape(package)):
        additions.install_apt(root, [package], real)


def test_a_base_without_apt_is_refused(root: Path, programs: Programs) -> None:
    (root / "usr/bin/apt-get").unlink()
    with pytest.raises(start.SetupFailed, match=r"remove workers\.apt_packages"):
        additions.install_apt(root, ["r-base"], programs)
    additions.install_apt(root, [], programs)


def test_the_script_runs_after_all_packages_when_the_user_is_there(
    root: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(setup, "run_script", lambda _root, _text: seen.append(len(programs.asked)))
    set_up(root, programs)
    [at] = seen
    before, after = programs.asked[:at], programs.asked[at:]
    assert any("pandas" in one for one in before)
    assert any(one[0] == "useradd" for one in before)
    assert not any({"pip", "useradd", "apt-get"} & set(one) for one in after)
    assert any(one[:2] == ("cloud-init", "clean") for one in after)


def test_the_scripts_output_is_in_the_builds_log(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/of/the/bundle")
    lines = [
        "#!/bin/sh",
        "echo one",
        "echo two >&2",
        'echo "[$PYTHONPATH] $PATH"',
        "cat",
        "touch made",
        "pwd",
    ]
    additions.run_script(root, "\n".join(lines) + "\n")
    path = "/opt/cloudjhub/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert capfd.readouterr().out.splitlines() == ["+ workers.setup", "one", "two", f"[] {path}", str(root)]
    assert (root / "made").exists()
    assert not start.at(root, additions.SCRIPT).exists()
    additions.run_script(root, "")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo fine; echo 'no such course' >&2; echo; exit 3", "workers.setup ended with 3: no such course"),
        ("exit 1", "workers.setup ended with 1: no output"),
        (
            r"printf 'bytes \377\n'; kill -9 $$",
            "workers.setup ended with -9: bytes \N{REPLACEMENT CHARACTER}",
        ),
        ("set -e; false; echo never", "workers.setup ended with 1: no output"),
    ],
)
def test_a_script_that_fails_fails_the_build_with_its_last_line(root: Path, script: str, reason: str) -> None:
    with pytest.raises(start.SetupFailed) as caught:
        additions.run_script(root, f"#!/bin/sh\n{script}\n")
    assert str(caught.value) == reason
    assert not start.at(root, additions.SCRIPT).exists()


def test_a_script_for_a_program_that_is_not_there_fails_the_build(root: Path) -> None:
    with pytest.raises(OSError, match="setup-script"):
        additions.run_script(root, "#!/no/such/shell\n")


def wheel(directory: Path, name: str, version: str, *needs: str) -> Path:
    """A package without content."""
    path = directory / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
        *(f"Requires-Dist: {one}" for one in needs),
    ]
    with ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.mark.parametrize(
    ("package", "fits"),
    [("theirs", True), ("theirs-older", True), ("theirs-newer", False), ("ours>=2", False)],
)
def test_an_operators_package_never_changes_a_locked_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, fits: bool
) -> None:
    """With the real pip: newer versions are there, and pip would take them."""
    wheels, venv = tmp_path / "wheels", tmp_path / "opt/cloudjhub"
    wheels.mkdir()
    locked = wheel(wheels, "ours", "1.0")
    wheel(wheels, "ours", "2.0")
    wheel(wheels, "theirs", "1.0", "ours")
    wheel(wheels, "theirs_older", "1.0", "ours<2")
    wheel(wheels, "theirs_newer", "1.0", "ours>=2")
    worker = tmp_path / "opt/cloudjhub/bundle/bootstrap/worker"
    worker.mkdir(parents=True)
    hash_of = hashlib.sha256(locked.read_bytes()).hexdigest()
    (worker / "image-requirements.txt").write_text(f"ours==1.0 --hash=sha256:{hash_of}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = str(venv / "bin/python")
    start.pip_install(python, start.run, *start.LOCKED, "-r", str(worker / "image-requirements.txt"))
    with nullcontext() if fits else pytest.raises(start.SetupFailed):
        setup.install_operators(python, [package], tmp_path, start.run)
    found = start.run(python, "-m", "pip", "freeze")
    assert "ours==1.0" in found
    assert ("theirs" in found) == fits


def test_a_file_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path, "ours", "1.0")
    (tmp_path / "lock.txt").write_text(f"ours==1.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    with pytest.raises(start.SetupFailed):
        start.pip_install(
            str(tmp_path / "venv/bin/python"), start.run, *start.LOCKED, "-r", str(tmp_path / "lock.txt")
        )


def test_what_makes_the_server_slow_goes_before_other_packages_are_seen(
    root: Path, programs: Programs
) -> None:
    """The environment's own, never the system's."""
    set_up(root, programs)
    [removed] = programs.of("uninstall")
    assert removed[-1] == "rfc3987-syntax"
    _, installed, _ = programs.of("pip", "install")
    [opened] = programs.of("--system-site-packages")
    order = [programs.asked.index(tuple(one)) for one in (installed, removed, opened)]
    assert order == sorted(order)


def test_the_server_does_without_what_goes() -> None:
    """jsonschema, which takes it up if it is there, checks everything else as before."""
    program = (
        "import sys; sys.modules['rfc3987_syntax'] = None; import jupyterhub.singleuser, jsonschema; "
        "checks = jsonschema.Draft202012Validator.FORMAT_CHECKER.checkers; "
        "print('iri' in checks, 'uri' in checks, 'date-time' in checks)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False True True\n"


def test_every_unit_of_a_worker_is_there_and_enabled(root: Path, programs: Programs) -> None:
    set_up(root, programs)
    source = REPOSITORY / "bootstrap/worker/systemd"
    assert set(setup.UNITS) == {one.name for one in source.iterdir()}
    for unit in setup.UNITS:
        assert (root / "etc/systemd/system" / unit).read_text() == (source / unit).read_text()
    assert programs.of("systemctl", "enable") == [("systemctl", "enable", *setup.STARTED)]
    assert {unit for unit in setup.UNITS if "[Install]" in (source / unit).read_text()} == set(setup.STARTED)


def test_paths_in_the_units_are_those_of_the_set_up() -> None:
    units = "".join((REPOSITORY / "bootstrap/worker/systemd" / unit).read_text() for unit in setup.UNITS)
    assert set(re.findall(r"/opt/cloudjhub/\S+", units)) == {"/opt/cloudjhub/bin/python"}
    assert f"User={setup.USER}\n" in units


def test_the_user_has_sudo_and_always_the_same_number(root: Path, programs: Programs) -> None:
    setup.make_user(root, programs)
    [useradd] = programs.of("useradd")
    assert useradd[useradd.index("--uid") :][:2] == ("--uid", "1100")
    sudoers = root / "etc/sudoers.d/cloudjhub"
    assert sudoers.read_text() == "jovyan ALL=(ALL) NOPASSWD:ALL\n"
    assert sudoers.stat().st_mode & 0o777 == 0o440


def test_a_user_that_a_base_image_has_already_is_taken(root: Path, programs: Programs) -> None:
    (root / "etc/passwd").write_text(PASSWD + "jovyan:x:1000:1000::/home/jovyan:/bin/bash\n")
    setup.make_user(root, programs)
    assert programs.of("useradd") == []


def test_nothing_of_the_builder_itself_goes_into_the_image(root: Path, programs: Programs) -> None:
    set_up(root, programs)
    assert (root / "etc/machine-id").read_text() == ""
    assert not list((root / "etc/ssh").iterdir())


def test_what_no_worker_needs_does_not_start(root: Path, programs: Programs) -> None:
    setup.quieten(root, programs)
    masked = [one[-1] for one in programs.of("systemctl", "mask")]
    assert masked == ["snapd.service", "snap-core22-1.mount", "apt-daily-upgrade.timer"]


def test_cloud_inits_last_stages_yield_to_the_server(root: Path, programs: Programs) -> None:
    setup.quieten(root, programs)
    for unit in ("cloud-config.service", "cloud-final.service"):
        told = (root / f"etc/systemd/system/{unit}.d/cloudjhub.conf").read_text()
        assert told.splitlines() == ["[Service]", "CPUSchedulingPolicy=idle", "IOSchedulingClass=idle"]


# What Ubuntu Server and Amazon Linux 2023 enable beside what is named in `test_what_a_worker_needs_starts`.
@pytest.mark.parametrize(
    "needless",
    [
        "snapd.service", "snapd.seeded.service", "snapd.socket", "snap-core22-1.mount", "apt-daily.timer",
        "apt-daily-upgrade.timer", "unattended-upgrades.service", "dnf-makecache.timer", "motd-news.timer",
        "update-motd.timer", "update-notifier-download.timer", "ModemManager.service", "multipathd.service",
        "multipathd.socket", "fwupd-refresh.timer", "lvm2-monitor.service", "lvm2-lvmpolld.socket",
        "blk-availability.service", "open-iscsi.service", "iscsid.socket", "plymouth-start.service",
        "plymouth-quit-wait.service", "networkd-dispatcher.service", "hibinit-agent.service", "udisks2.service",
        "pollinate.service", "apport.service", "ua-timer.timer", "esm-cache.service", "apt-news.service",
        "packagekit.service", "open-vm-tools.service", "console-setup.service", "amazon-ssm-agent.service",
    ],
)  # fmt: skip
def test_what_the_bases_start_for_others_does_not(needless: str) -> None:
    assert setup.unneeded([needless]) == [needless]


@pytest.mark.parametrize(
    "needed",
    [
        *setup.UNITS, "cloud-init.service", "cloud-init-local.service", "cloud-init-network.service",
        "systemd-networkd.service", "systemd-resolved.service", "systemd-udevd.service", "dbus.service",
        "chrony.service", "serial-getty@.service", "getty@.service", "apparmor.service",
        "systemd-networkd-wait-online.service", "rsyslog.service", "polkit.service", "dnsmasq.service",
        "acpid.service", "auditd.service", "cloud-config.service", "cloud-final.service", "cron.service",
        "fstrim.timer", "irqbalance.service", "netplan-configure.service", "policy-routes@ens5.service",
        "refresh-policy-routes@ens5.timer", "rngd.service", "systemd-logind.service",
    ],
)  # fmt: skip
def test_what_a_worker_needs_starts(needed: str) -> None:
    assert setup.unneeded([needed]) == []


def test_a_program_that_fails_is_named_with_its_last_word(capsys: pytest.CaptureFixture[str]) -> None:
    program = "import sys; sys.exit('first\\nno such package')"
    with pytest.raises(start.SetupFailed, match=r"ended with 1: no such package$"):
        start.run(sys.executable, "-c", program)
    assert start.run(sys.executable, "-c", "print('fine')") == "fine\n"


def test_needs_nothing_but_python() -> None:
    """It runs before anything of ours is installed: `start` alone, `setup` with nothing but the bundle."""
    for directory, module, ours in (
        (Path(start.__file__).parent, "start", set()),
        (REPOSITORY, "bootstrap.machines.image.setup", {"bootstrap"}),
    ):
        program = (
            f"import sys; sys.path.insert(0, {str(directory)!r}); import {module}; "
            "print(set(sys.modules) & {'boto3', 'bootstrap', 'requests', 'hub', 'lifecycle_app'})"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
        )
        assert done.stdout == f"{ours or 'set()'}\n"


def test_a_damaged_list_of_packages_is_refused(tmp_path: Path) -> None:
    class Other(Store):
        def get_object(self, Bucket: str, Key: str) -> dict[str, object]:  # noqa: N803 - S3's own words
            return {"Body": BytesIO(b"[]")}

    with pytest.raises(DamagedError, match=r"packages\.json is damaged"):
        fetch_packages(Other(), "a-bucket", LIST_KEY, tmp_path / "packages.json")
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_fails_is_one_line_on_the_console_and_powers_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_root: Path) -> None:
        raise start.SetupFailed("pip ended with 1:\nno network")

    powered_off: list[bool] = []
    monkeypatch.setattr(start, "fetch_bundle", fail)
    monkeypatch.setattr(start, "power_off", lambda: powered_off.append(True))
    monkeypatch.setattr(start, "say", print)
    start.main()
    assert capsys.readouterr().out == f"{start.FAILED}pip ended with 1: no network\n"
    assert powered_off == [True]


def test_nbgrader_and_jupyterlab_are_pinned() -> None:
    """An image is built again with what it was tested with."""
    lines = (REPOSITORY / "bootstrap/worker/image-requirements.in").read_text().splitlines()
    lines += (REPOSITORY / "bootstrap/worker/requirements.in").read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line}
    assert pinned == {"jupyterhub", "jupyterlab", "nbgrader"}
