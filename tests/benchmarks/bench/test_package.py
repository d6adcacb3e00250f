"""What of a package's content is foreign to Lambda, and how large its parts are."""

import zipfile
from pathlib import Path

import pytest

from benchmarks.bench.package import foreign, sizes


@pytest.mark.parametrize(
    ("name", "is_foreign"),
    [
        ("botocore", True), ("boto3-1.44.5.dist-info", True), ("jupyterhub", True), ("hub", True),
        ("lifecycle_app", False), ("requests-2.32.5.dist-info", False), ("app.py", False),
    ],
)  # fmt: skip
def test_foreign_content(name: str, is_foreign: bool) -> None:
    assert bool(foreign({name: 1})) is is_foreign


def test_sizes_are_by_directory_the_largest_first(tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for name, size in (("app.py", 3), ("part/a.py", 2), ("part/__pycache__/a.pyc", 4)):
            archive.writestr(name, b"x" * size)
    assert list(sizes(package).items()) == [("part", 6), ("app.py", 3)]
