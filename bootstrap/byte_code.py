"""Byte code for the Lambda package: the functions' disk is read-only, so that without it each cold start compiles anew.

Chalice ships what lies in `vendor/` as it is: byte code that is put there lands beside the sources, those that Chalice
itself adds included. Each file holds the hash of its source, and Python passes over one that belongs to another source.
"""

import py_compile
import tempfile
from collections.abc import Iterator
from importlib.util import cache_from_source, find_spec
from pathlib import Path

VENDOR = Path("vendor")
# What `import app` imports, and Lambda's runtime does not have. Not urllib3 and idna: the zip would be over a megabyte.
PACKAGES = ("certifi", "lifecycle_app", "pynamodb", "requests")
CHALICE = ("__init__.py", "app.py")
"""So much of Chalice is in the package."""


def files(app: Path) -> dict[str, bytes]:
    """The byte code of the handlers in `app` and of most that they import, by its path in a Chalice project.

    Compiled by this Python, for whose version Chalice deploys, from the packages that are installed here.
    """
    found = {}
    for source, shipped in [(app, Path("app.py")), *_sources()]:
        target = VENDOR / Path(cache_from_source(str(shipped)))
        found[target.as_posix()] = _compiled(source, shipped)
    return found


def _sources() -> Iterator[tuple[Path, Path]]:
    """Source files of this machine, and where they lie in the package."""
    chalice = _folder("chalice")
    yield from ((chalice / name, Path("chalice") / name) for name in CHALICE)
    for package in PACKAGES:
        folder = _folder(package)
        for source in sorted(folder.rglob("*.py")):
            yield source, source.relative_to(folder.parent)


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _compiled(source: Path, shipped: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="cloudjhub-byte-code-") as folder:
        target = Path(folder) / "compiled"
        checked = py_compile.PycInvalidationMode.CHECKED_HASH
        # The name in it is the package's: the same on every operator's machine.
        py_compile.compile(str(source), str(target), str(shipped), doraise=True, invalidation_mode=checked)
        return target.read_bytes()
