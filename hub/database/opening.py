"""The database of this hub, and its archive, by the hub's settings."""

import logging
import os
import signal
from collections.abc import Callable
from datetime import datetime

import boto3
from botocore.config import Config

from hub.config.settings import Settings
from hub.database import preparation, schema
from hub.database.archive import Archive
from hub.database.preparation import Place, Preparation
from lifecycle_app.contract import utc_now

log = logging.getLogger(__name__)

PATIENT = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 4})


def place_of(settings: Settings) -> Place:
    """Where the database is."""
    return Place(settings.state_dir.absolute())


def archive_of(settings: Settings) -> Archive | None:
    """The archive; None for a hub without a bucket."""
    if not settings.bucket:
        return None
    return Archive(boto3.client("s3", region_name=settings.region, config=PATIENT), settings.bucket)


def prepare(settings: Settings, request: str) -> None:
    """Do what is due before the hub opens its database: see `Preparation`. Raises DatabaseUnusable."""
    Preparation(
        place=place_of(settings),
        bundle=settings.bundle,
        archive=archive_of(settings),
        schema=schema.of_this_hub(),
        upgrade=schema.upgrade,
        now=utc_now(),
    ).prepare(request)


def restarting(settings: Settings, now: Callable[[], datetime] = utc_now) -> Callable[[str], None]:
    """A function that ends this hub, which is started again, if the operator's request is to restore a backup."""

    def restart_for(request: str) -> None:
        if settings.bucket and preparation.wanted(request, place_of(settings).notes(), now()):
            log.warning("a backup of the database is to be restored: the hub starts again")
            os.kill(os.getpid(), signal.SIGTERM)

    return restart_for
