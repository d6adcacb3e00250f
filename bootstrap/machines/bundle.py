"""The bundle: the part of this repository that manager and image builder run, as one archive named by its content."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PREFIX = "bundle/"
PACKAGES = ("bootstrap", "hub", "lifecycle_app")
# What only the operator's machine runs: changing it replaces no manager.
OPERATORS = tuple(
    f"bootstrap/{part}"
    for part in ("__main__.py", "cli/", "costs/", "local/", "preflight/", "cluster/steps/", "requirements.")
)
# What tools leave among the sources.
DEBRIS = ("__pycache__", "node_modules", ".ready")
HIDDEN_BUT_NEEDED = (".npmrc",)


@dataclass(frozen=True, slots=True)
class Bundle:
    """`key` is its key in the cluster's bucket, `content` a tar.gz."""

    key: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The hash, in hex, of the archive as it is before compression."""
        return hash_in(self.key)


def key_of(sha256: str) -> str:
    """The key of the bundle with this content."""
    return f"{PREFIX}{sha256}.tar.gz"


def hash_in(key: str) -> str:
    """The hash in a bundle's key."""
    return key.removeprefix(PREFIX).removesuffix(".tar.gz")


@cache
def current() -> Bundle:
    """The bundle of this checkout, built once in each process.

    One run of `up` uploads, bakes and launches the same bundle, even if the sources are edited meanwhile.
    """
    return build(REPOSITORY)


def build(repository: Path = REPOSITORY) -> Bundle:
    """The bundle of the sources below `repository`. Equal sources have equal keys, on any machine and at any time.

    The key has the hash of the archive before compression: zlib's output differs between its versions, and two
    operators' machines must not replace the manager in turn.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(_sources(repository)):
            archive.addfile(*_member(repository, path))
    content = packed.getvalue()
    return Bundle(key_of(hashlib.sha256(content).hexdigest()), gzip.compress(content, mtime=0))


def _sources(repository: Path) -> Iterator[Path]:
    for package in PACKAGES:
        for path in (repository / package).rglob("*"):
            if path.is_file() and _is_for_machines(path.relative_to(repository)):
                yield path


def _is_for_machines(path: Path) -> bool:
    if any(part in DEBRIS for part in path.parts):
        return False
    if any(part.startswith(".") and part not in HIDDEN_BUT_NEEDED for part in path.parts):
        return False
    return not path.as_posix().startswith(OPERATORS)


def _member(repository: Path, path: Path) -> tuple[tarfile.TarInfo, io.BytesIO]:
    content = path.read_bytes()
    member = tarfile.TarInfo(path.relative_to(repository).as_posix())
    member.size = len(content)
    member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    return member, io.BytesIO(content)
