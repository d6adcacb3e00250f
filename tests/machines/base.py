"""The base image's root: Debian with systemd and cloud-init, as AWS's base images have them, made once and kept."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "build" / "machines"
MIRROR = "http://deb.debian.org/debian"
SUITE = "bookworm"
FIRST = "systemd,systemd-sysv,udev,dbus,ca-certificates"
# debootstrap follows no virtual packages, and cloud-init needs some: a second step, by apt.
SECOND = (
    "cloud-init", "openssh-client", "python3", "sudo", "curl", "iproute2", "procps", "e2fsprogs", "kmod",
)  # fmt: skip
SOURCES = f"""\
deb {MIRROR} {SUITE} main
deb {MIRROR} {SUITE}-updates main
deb {MIRROR}-security {SUITE}-security main
"""
CLOUD_CONFIG = """\
# The user data lies in a seed directory; everything else is as on EC2.
datasource_list: [NoCloud]
locale: C.UTF-8
ssh_genkeytypes: [ed25519]
"""
CERTIFICATES = Path("usr/local/share/ca-certificates")
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
DPKG_CONFIG = """\
# A machine that is thrown away need not wait for its disk at every file.
force-unsafe-io
"""
COPIED = ("etc/pip.conf", "etc/npmrc", "etc/resolv.conf")
"""What tells programs of this machine how to reach the package registries."""


def recipe() -> str:
    """A name for all that goes into the root."""
    certificates = [path.read_text() for path in sorted((Path("/") / CERTIFICATES).glob("*.crt"))]
    parts = [SUITE, FIRST, *SECOND, SOURCES, CLOUD_CONFIG, DPKG_CONFIG, HOSTS, *certificates]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def base_root() -> Path:
    """The root's directory, made if it is not there. It is never written to: machines are layers above it."""
    BUILD.mkdir(parents=True, exist_ok=True)
    root = BUILD / f"root-{recipe()}"
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            unfinished = BUILD / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            _make(unfinished)
            unfinished.rename(root)
    return root


def _make(root: Path) -> None:
    _run("debootstrap", "--variant=minbase", f"--include={FIRST}", SUITE, str(root), MIRROR)
    (root / "etc/apt/sources.list").write_text(SOURCES)
    (root / "etc/dpkg/dpkg.cfg.d/machine").write_text(DPKG_CONFIG)
    (root / "etc/hosts").write_text(HOSTS)
    _adopt_surroundings(root)
    # Nothing is started by installing it: the root does not run yet.
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    for command in (
        ["update-ca-certificates"],
        ["apt-get", "update", "-qq"],
        ["apt-get", "upgrade", "-qq", "-y"],
        ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *SECOND],
        ["apt-get", "clean"],
    ):
        _run(
            "systemd-nspawn", "--quiet", f"--directory={root}", "--register=no", "--keep-unit", "--pipe",
            "--setenv=DEBIAN_FRONTEND=noninteractive", *command,
        )  # fmt: skip
    policy.unlink()
    (root / "etc/cloud/cloud.cfg.d/90-machine.cfg").write_text(CLOUD_CONFIG)


def _adopt_surroundings(root: Path) -> None:
    for path in sorted((Path("/") / CERTIFICATES).glob("*.crt")):
        (root / CERTIFICATES).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / CERTIFICATES / path.name)
    for name in COPIED:
        if (Path("/") / name).exists():
            shutil.copy(Path("/") / name, root / name)


def _run(*command: str) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}):\n{done.stdout[-3000:]}")
