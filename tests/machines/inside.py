"""Programs run inside a machine, from the host."""

import subprocess

import psutil


def init_of(player: int) -> int | None:
    """The process id of a machine's systemd, among the descendants of what runs it; None while it is not there."""
    try:
        for process in psutil.Process(player).children(recursive=True):
            if process.name() == "systemd":
                return process.pid
    except psutil.NoSuchProcess:
        pass
    return None


def inside(init: int | None, *command: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command as the machine's root."""
    within = ["nsenter", f"--target={init}", "--mount", "--uts", "--ipc", "--pid", "--", *command]
    return subprocess.run(within, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
