"""What spawners and handlers share, built once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3

from hub.answering import Workers
from hub.calls import QUICK, Calls
from hub.homes import Homes
from hub.identity import Identities
from hub.instances import Instances
from hub.pages import Pages
from hub.people import People, from_file
from hub.reading import BadRecords, Reader
from hub.settings import Settings
from hub.starting import Starter
from hub.startup import Startup
from hub.stopping import StopRequests
from hub.wanted import Wanted
from lifecycle_app.store import WorkerStore

THREADS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The hub's own parts."""

    settings: Settings
    token_key: str
    """Workers' tokens are made with it."""
    store: WorkerStore
    wanted: Wanted
    calls: Calls
    starter: Starter
    startup: Startup
    homes: Homes
    reader: Reader
    stops: StopRequests
    workers: Workers
    identities: Identities
    pages: Pages
    now: Callable[[], datetime]


class WithParts:
    """A handler that is given the parts with its route."""

    parts: Parts

    def initialize(self, parts: Parts) -> None:
        """Tornado's way of handing over what a route is given."""
        self.parts = parts


def build(settings: Settings, token_key: str) -> Parts:
    """The real parts, on AWS as botocore's own variables tell it. Raises SettingsError for a bad users file."""
    session = boto3.Session(region_name=settings.region)
    calls = Calls(ThreadPoolExecutor(THREADS, thread_name_prefix="aws"))
    ec2 = session.client("ec2", config=QUICK)
    store = WorkerStore(settings.cluster, on_bad=BadRecords().name)
    known = from_file(settings.users_file) if settings.users_file else People()
    wanted = Wanted(store.wanted, calls, image=settings.image, known=known, every=settings.wanted_interval)
    wanted.read_at_start()
    starter = Starter(ec2, calls)
    instances = Instances(ec2, calls, settings)
    homes = Homes(instances)
    reader = Reader(store.changed_since, calls, interval=settings.read_interval)
    return Parts(
        settings=settings,
        token_key=token_key,
        store=store,
        wanted=wanted,
        calls=calls,
        starter=starter,
        startup=Startup(store.get, calls, starter, instances, homes, settings, _now, wanted.image_now),
        homes=homes,
        reader=reader,
        stops=StopRequests(session.client("events", config=QUICK), calls, settings.cluster),
        workers=Workers(),
        identities=Identities(session.client("sts", config=QUICK), calls, settings.hub_name, settings.role),
        pages=Pages(store, reader, calls),
        now=_now,
    )


def _now() -> datetime:
    return datetime.now(UTC)
