"""The lock files: every package with its version and hashes. `make lock` makes them of the .in files that it reads.

Each is good for Python 3.11 and newer, on x86_64 and aarch64. A lock names a hash of what it was made of, so that a
test can tell, without a network, whether it still fits.
"""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
UV = REPOSITORY / ".venv-supply/bin/uv"
OLDEST_PYTHON = "3.11"
MADE_OF = "# Made of: "


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock file, `name`.txt, of the packages in `name`.in, which may include other .in files."""

    name: str
    with_dependencies: bool = True

    @property
    def source(self) -> Path:
        """What people edit."""
        return REPOSITORY / f"{self.name}.in"

    @property
    def path(self) -> Path:
        """What machines install."""
        return REPOSITORY / f"{self.name}.txt"


LOCKS = (
    Lock("bootstrap/machines/manager/requirements"),
    # Constrained by the manager's: otherwise each boot of a manager would exchange packages twice.
    Lock("bootstrap/machines/fetch-requirements"),
    Lock("bootstrap/worker/image-requirements"),
    # Lambda's runtime has botocore: docs/decisions/0011.
    Lock("requirements", with_dependencies=False),
    Lock("bootstrap/requirements"),
)


def lines_of(source: Path) -> Iterator[str]:
    """The requirements and options in a file and in those that it includes or is constrained by; no comments."""
    for line in map(str.strip, source.read_text().splitlines()):
        flag, _, included = line.partition(" ")
        if flag in ("-r", "-c"):
            yield from lines_of(source.parent / included.strip())
        elif line and not line.startswith("#"):
            yield line


def made_of(lock: Lock) -> str:
    """The hash, in hex, of everything that decides what is in a lock, besides the day on which it was made."""
    return hashlib.sha256("\n".join(lines_of(lock.source)).encode()).hexdigest()


def recorded(lock: Lock) -> str:
    """The hash of what a lock was made of, as it says itself; "" if it does not."""
    lines = lock.path.read_text().splitlines()
    return next((line.removeprefix(MADE_OF) for line in lines if line.startswith(MADE_OF)), "")


def make(lock: Lock, *options: str) -> None:
    """Write a lock. Versions that it has are kept where they still fit. Raises CalledProcessError."""
    command = [
        str(UV), "pip", "compile", "--quiet", "--universal", "--python-version", OLDEST_PYTHON,
        "--generate-hashes", "--no-header", *([] if lock.with_dependencies else ["--no-deps"]), *options,
        str(lock.source.relative_to(REPOSITORY)), "--output-file", str(lock.path.relative_to(REPOSITORY)),
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=REPOSITORY)
    header = f"# Made by `make lock` of {lock.source.name}: edit that one.\n{MADE_OF}{made_of(lock)}\n"
    lock.path.write_text(header + lock.path.read_text())


if __name__ == "__main__":
    for one in LOCKS:
        make(one, *sys.argv[1:])
