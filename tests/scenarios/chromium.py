"""Finds the browser that the tests drive; run as a program, installs one where there is none."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FIX = (
    "no Chromium was found and none could be installed: install one (Debian and Ubuntu: apt install chromium), "
    "or run `.venv/bin/playwright install --with-deps chromium`"
)

# Without these, Chromium asks Google's servers for updates and experiments at every start.
QUIET = [
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-gpu",
]


@contextmanager
def running() -> Iterator[Browser]:
    """A browser for some tests."""
    path = find()
    assert path, FIX
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=QUIET + root)
        yield started
        started.close()


def find() -> str | None:
    """The path of a Chromium that runs: the machine's own, or Playwright's."""
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return next((path for path in (*filter(None, map(shutil.which, NAMES)), own) if runs(path)), None)


def runs(path: str) -> bool:
    """Whether the program starts: a download may lack its libraries, and Ubuntu's package may be a mere hint."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, check=False, timeout=60)
    except OSError:
        return False
    return done.returncode == 0


def install() -> None:
    """Install one: by apt where we may, else Playwright's own download."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)  # type: ignore[call-overload]
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=False, **quiet)  # type: ignore[call-overload]
    if find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> int:
    """Find or install; exit code 1 and one line where neither works."""
    if find() is None:
        install()
    if find() is None:
        print(FIX, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
