"""The snapshot: everything the cloud knows, in one file, written whole or not at all."""

import contextlib
import json
import logging
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import moto
import moto.backends
from moto.core.base_backend import BackendDict

from bootstrap.local.cloud.messages import StartupError

log = logging.getLogger(__name__)

FORMAT = 2
PICKLED = ("ec2", "dynamodb", "s3", "iam", "sts", "cloudwatch")
PARAMETERS = "ssm"


def take_snapshot(account: str, region: str, ours: Mapping[str, Any]) -> bytes:
    """moto's state and ours as one object, so that what refers to each other still does.

    Used under the emulator's lock.
    """
    header = json.dumps(_header(account, region)).encode() + b"\n"
    used = {one.service_name: one[account] for one in BackendDict._instances if account in list(one)}
    backends = {name: dict(used[name].items()) for name in PICKLED if name in used}
    parameters = dict(used[PARAMETERS][region]._parameters) if PARAMETERS in used else {}
    return header + pickle.dumps({"backends": backends, "parameters": parameters, "ours": dict(ours)})


def write_snapshot(path: Path, content: bytes) -> None:
    """Writes beside the old file and puts the new one in its place; only the owner may read it."""
    fresh = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_snapshot(path: Path, account: str, region: str) -> Mapping[str, Any] | None:
    """Puts moto's state back and returns ours; None without a snapshot. Raises StartupError if it cannot be used."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    header, _, body = content.partition(b"\n")
    _judge_header(path, header, account, region)
    try:
        held = pickle.loads(body)  # noqa: S301 - written by this program, readable by its owner only
        backends, parameters, ours = held["backends"], held["parameters"], held["ours"]
    except Exception as error:
        raise StartupError(
            f"{path} is damaged ({type(error).__name__}): move it away to start afresh"
        ) from error
    for name, regions in backends.items():
        kept = moto.backends.get_backend(name)[account]
        for region_name, backend in regions.items():
            kept[region_name] = backend
    if parameters:
        moto.backends.get_backend(PARAMETERS)[account][region]._parameters.update(parameters)
    log.info("resumed from %s", path)
    return dict(ours)


def _header(account: str, region: str) -> dict[str, object]:
    return {"cloudjhub": FORMAT, "moto": moto.__version__, "account": account, "region": region}


def _judge_header(path: Path, header: bytes, account: str, region: str) -> None:
    try:
        found = json.loads(header)
    except ValueError as error:
        raise StartupError(f"{path} is no snapshot: move it away to start afresh") from error
    wanted = _header(account, region)
    if found != wanted:
        raise StartupError(
            f"{path} is of another version ({found}, this is {wanted}): use that version, or move the file away"
        )
