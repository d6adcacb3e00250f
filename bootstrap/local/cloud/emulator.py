"""moto inside this process: its WSGI applications, its state with the snapshot of it, and the one lock it needs.

moto is not thread-safe: without a lock around every call, concurrent conditional writes lose updates.
"""

import contextlib
import io
import json
import logging
import os
import pickle
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import moto
import moto.backends
from moto.core.base_backend import BackendDict
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug import Request, Response

from bootstrap.local.cloud.errors import AwsError, StartupError
from bootstrap.local.settings import STATE_VERSION

SERVICES = ("ec2", "iam", "sts", "dynamodb", "ssm", "cloudwatch", "s3", "route53", "budgets", "kms")
GLOBAL_SERVICES = ("iam", "sts", "s3", "route53", "budgets")
HOP_BY_HOP = ("connection", "server", "date", "transfer-encoding")


@dataclass(slots=True)
class Emulator:
    """Calls moto and reaches into its state. Every use holds `lock`, which the same thread may take again."""

    account: str
    region: str
    lock: threading.RLock = field(init=False, default_factory=threading.RLock)
    _applications: dict[str, Any] = field(init=False, default_factory=dict)

    def backend(self, service: str) -> Any:
        """moto's state of a service in our account and region."""
        region = "aws" if service in GLOBAL_SERVICES else self.region
        return moto.backends.get_backend(service)[self.account][region]

    def forward(self, service: str, request: Request) -> Response:
        """moto's answer. Raises AwsError for a service that is not here, and what moto raises."""
        with self.lock:
            environ = {**request.environ, "wsgi.input": io.BytesIO(request.get_data())}
            response = Response.from_app(self._application(service), environ, buffered=True)
        for name in HOP_BY_HOP:
            response.headers.remove(name)
        return response

    def _application(self, service: str) -> Any:
        """moto's application of one service; its own dispatcher reads a directory on every request."""
        if service not in SERVICES:
            message = (
                f"There is no service {service} at this address: set AWS_ENDPOINT_URL_{service.upper()}."
            )
            raise AwsError("UnknownOperationException", message, 404)
        if service not in self._applications:
            self._applications[service] = create_backend_app(service)
        return self._applications[service]


def with_form(request: Request, form: dict[str, str]) -> Request:
    """The same request with other form parameters."""
    body = urlencode(form).encode()
    return Request({**request.environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})


log = logging.getLogger(__name__)

PICKLED = ("ec2", "dynamodb", "s3", "iam", "sts", "cloudwatch", "route53", "budgets", "kms")
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
    _check_header(path, header, account, region)
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
    return {"cloudjhub": STATE_VERSION, "moto": moto.__version__, "account": account, "region": region}


def _check_header(path: Path, header: bytes, account: str, region: str) -> None:
    try:
        found = json.loads(header)
    except ValueError as error:
        raise StartupError(f"{path} is not a snapshot: move it away to start afresh") from error
    wanted = _header(account, region)
    if found != wanted:
        raise StartupError(
            f"{path} was made by another version ({found}, this is {wanted}): use that version, or move the file away"
        )
