"""Fetches the bundle with the instance's role and unpacks it. User data carries this file, so it needs only boto3.

    /opt/cloudjhub/bin/python fetch.py /etc/cloudjhub/manager.json

`region`, `bucket` and `bundle` in that file name the bundle. For an image, `packages` names what the operator adds
to it, in the same bucket.
"""

import gzip
import hashlib
import io
import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

TARGET = Path("/opt/cloudjhub/bundle")
PACKAGES = Path("/opt/cloudjhub/packages.json")
MARK = ".bundle"
"""The key of the unpacked bundle, written when all its files are there."""


class DamagedError(Exception):
    """The fetched object does not have the hash in its key."""


def fetch(s3: Any, bucket: str, key: str, target: Path) -> None:
    """The bundle's files in `target`, all of them or none. Raises DamagedError."""
    mark = target / MARK
    if mark.exists() and mark.read_text() == key:
        return
    archive = gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    if key != f"bundle/{hashlib.sha256(archive).hexdigest()}.tar.gz":
        raise DamagedError(f"s3://{bucket}/{key} is damaged: upload it again with `cloudjhub up`")
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    # The oldest supported Pythons have no filter; the hash proves that the archive is ours.
    safe: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        members.extractall(fresh, **safe)  # noqa: S202
    (fresh / MARK).write_text(key)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def fetch_packages(s3: Any, bucket: str, key: str, target: Path) -> None:
    """What the operator adds to an image, a JSON file. Raises DamagedError."""
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    if key != f"bundle/{hashlib.sha256(content).hexdigest()}.packages.json":
        raise DamagedError(f"s3://{bucket}/{key} is damaged: build the image again with `cloudjhub up`")
    target.write_bytes(content)


def main() -> int:
    """0 when the bundle is there."""
    config = json.loads(Path(sys.argv[1]).read_text())
    try:
        s3 = boto3.client("s3", region_name=config["region"])
        fetch(s3, config["bucket"], config["bundle"], TARGET)
        if "packages" in config:
            fetch_packages(s3, config["bucket"], config["packages"], PACKAGES)
    except (BotoCoreError, ClientError, OSError, DamagedError) as error:
        print(f"cloudjhub-setup: the bundle is not there: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
