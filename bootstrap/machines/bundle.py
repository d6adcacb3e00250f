"""The bundle: the part of this package that manager and image builder run, as one archive named by its content."""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from bootstrap.config.settings import ClusterSettings
from bootstrap.machines.operator_files import picture_of, python_of
from hub.config.settings import OPERATORS_CONFIG, OPERATORS_LOGO

REPOSITORY = Path(__file__).resolve().parents[2]
"""The folder of our packages: a checkout, or site-packages."""
PREFIX = "bundle/"
PACKAGES = ("bootstrap", "hub", "lifecycle_app")
# What only the operator's machine runs: changing it replaces no manager.
OPERATORS = tuple(
    f"bootstrap/{part}"
    for part in (
        "__main__.py",
        "cli/",
        "costs/",
        "labextension/",
        "local/",
        "preflight/",
        "cluster/steps/",
        "project/",
        "requirements.",
    )
)
# What tools leave among the sources.
DEBRIS = ("__pycache__", "node_modules", ".ready")
HIDDEN_BUT_NEEDED = (".npmrc",)
NOTHING: Mapping[str, bytes] = MappingProxyType({})


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


def of(settings: ClusterSettings) -> Bundle:
    """The bundle of a cluster: this checkout's, with the operator's own files. Raises SettingsError."""
    return current(settings.hub.config, settings.hub.logo)


@cache
def current(hub_config: Path | None = None, logo: Path | None = None) -> Bundle:
    """The bundle of this checkout, with the operator's configuration of the hub and logo, built once in each process.

    One run of `up` uploads, bakes and launches the same bundle, even if the sources are edited meanwhile.
    """
    own = {OPERATORS_CONFIG: python_of(hub_config, "hub.config").encode()} if hub_config else {}
    if logo:
        own[OPERATORS_LOGO] = picture_of(logo, "hub.logo")
    return build(REPOSITORY, own)


def build(repository: Path = REPOSITORY, own: Mapping[str, bytes] = NOTHING) -> Bundle:
    """The bundle of the sources below `repository`, with the operator's own files by their paths in it. Equal sources
    have equal keys, on any machine and at any time.

    The key has the hash of the archive before compression: zlib's output differs between its versions, and two
    operators' machines must not replace the manager in turn.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(_sources(repository)):
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            archive.addfile(*_member(path.relative_to(repository).as_posix(), path.read_bytes(), mode))
        for name, content in sorted(own.items()):
            archive.addfile(*_member(name, content, 0o644))
    archived = packed.getvalue()
    return Bundle(key_of(hashlib.sha256(archived).hexdigest()), gzip.compress(archived, mtime=0))


def _sources(repository: Path) -> Iterator[Path]:
    for package in PACKAGES:
        for folder, folders, names in os.walk(repository / package):
            # Tens of thousands of files that are not looked at.
            folders[:] = [name for name in folders if name not in DEBRIS]
            for path in (Path(folder, name) for name in names):
                if path.is_file() and _is_for_machines(path.relative_to(repository)):
                    yield path


def _is_for_machines(path: Path) -> bool:
    if any(part in DEBRIS for part in path.parts):
        return False
    if any(part.startswith(".") and part not in HIDDEN_BUT_NEEDED for part in path.parts):
        return False
    return not path.as_posix().startswith(OPERATORS)


def _member(name: str, content: bytes, mode: int) -> tuple[tarfile.TarInfo, io.BytesIO]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = mode
    return member, io.BytesIO(content)
