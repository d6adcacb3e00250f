"""Builds the workers' image: a builder sets itself up and powers off, its disk becomes the image, and it is ended."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from bootstrap.aws import instances, names
from bootstrap.aws.instances import tags_of
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report, polls
from bootstrap.errors import StepFailed
from bootstrap.machines import bundle
from bootstrap.machines.base_images import architecture_of, base_image, judge_disk
from bootstrap.machines.image import images
from bootstrap.machines.image.request import (
    ROLE_BUILDER,
    Recipe,
    image_request,
    launch_request,
    packages_object,
    recipe,
)
from bootstrap.machines.image.setup import DONE
from bootstrap.machines.image.start import FAILED
from bootstrap.machines.launch import TAG_CONTENT

SET_UP_WITHIN = 2400.0
# EC2 shows the console of a stopped machine only after some time.
CONSOLE_WITHIN = 300.0


def wanted(site: Site) -> Recipe:
    """The recipe of the image by the settings and this checkout. Raises SettingsError or Refused."""
    workers = site.settings.workers
    base = base_image(site.aws, workers.base, architecture_of(site.aws, workers.all_types))
    judge_disk(base.image, base.root_size, workers.disk, "workers.disk")
    return recipe(site.settings, base, bundle.of(site.settings), names.bucket(site.cluster, site.aws))


def build(site: Site, made_of: Recipe, now: datetime, report: Report, *, again: bool = False) -> str:
    """The id of a new image that can be launched. Its builder is always terminated.

    A builder or an image of an interrupted run is used if it still fits, and removed if not; with `again`, no image is
    used. Raises StepFailed that names the log, NotBuilt, Refused.
    """
    made = images.of_content(site.aws, site.cluster, made_of.content)
    if made is not None and made.state == "pending" and not again:
        report(f"image {made.image} is already being created")
        images.await_available(site.aws, made.image, report)
        remove_builders(site, report)
        return made.image
    with _builder(site, made_of, report) as builder:
        versions = _set_up(site, builder, report)
        request = image_request(site.settings, made_of, builder, versions, now)
        image = site.aws.client("ec2").create_image(**request)["ImageId"]
        report(f"making image {image} of it")
        images.await_available(site.aws, image, report)
    return image


def remove_builders(site: Site, report: Report, *, but_of: str = "") -> None:
    """Terminate builders of earlier runs, except those that build this content."""
    found = instances.found_by_tags(site.aws, site.cluster, ROLE_BUILDER)
    left = [one["InstanceId"] for one in found if not but_of or tags_of(one).get(TAG_CONTENT) != but_of]
    if left:
        report(f"removing the builder {', '.join(left)} of an earlier run")
        instances.terminate(site.aws, left, site.cluster, report)


@contextmanager
def _builder(site: Site, made_of: Recipe, report: Report) -> Iterator[str]:
    remove_builders(site, report, but_of=made_of.content)
    bucket = names.bucket(site.cluster, site.aws)
    key, content = packages_object(site.settings.workers)
    site.aws.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
    found = instances.found_by_tags(site.aws, site.cluster, ROLE_BUILDER)
    if found:
        builder = found[0]["InstanceId"]
        report(f"the builder {builder} of an interrupted run goes on")
    else:
        request = launch_request(site.settings, made_of, site.network(), site.place()["WorkerGroup"])
        builder = instances.launch(site.aws, request)
        report(f"the builder {builder} sets itself up")
    try:
        yield builder
    finally:
        instances.end(site.aws, [builder], site.cluster)
        site.aws.client("s3").delete_object(Bucket=bucket, Key=key)
    instances.await_gone(site.aws, [builder], report)


def _set_up(site: Site, builder: str, report: Report) -> dict[str, str]:
    """The versions that the builder reports, once it has powered itself off.

    Its console is read while it runs, too: of a stopped instance, EC2 may show an older one, or none.
    """
    console = ""

    def read() -> Outcome | None:
        nonlocal console
        if outcome(console) is None:
            console = instances.console(site.aws, builder) or console
        return outcome(console)

    def progress(state: str, waited: float) -> str:
        return f"the builder {builder} installs what workers need ({waited / 60:.0f} min, {state})"

    instances.await_state(site.aws, builder, "stopped", SET_UP_WITHIN, report, progress, read)
    found = outcome(console)
    if found is None:
        found = next(filter(None, (read() for _ in polls(CONSOLE_WITHIN))), None)
    if found is None:
        raise _failed(site, console, "the builder stopped without saying what it holds")
    if found.versions is None:
        raise _failed(site, console, f"the builder could not be set up: {found.failure}")
    return found.versions


def _failed(site: Site, console: str, reason: str) -> StepFailed:
    log = site.directory / "image-console.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(console, encoding="utf-8")
    return StepFailed(f"{reason}; its console is in {log}, and ends:\n{tail(console)}")


SHOWN_LINES = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """Either the versions that the image holds, or why there is none."""

    versions: dict[str, str] | None = None
    failure: str = ""


def outcome(console: str) -> Outcome | None:
    """How the set-up ended; None while the console does not show it."""
    for line in reversed(console.splitlines()):
        _, is_failed, reason = line.partition(FAILED)
        if is_failed:
            return Outcome(failure=reason.strip() or "no reason given")
        _, is_done, report = line.partition(DONE)
        versions = _versions(report) if is_done else None
        if versions is not None:
            return Outcome(versions=versions)
    return None


def tail(console: str) -> str:
    """The last lines, which the error message shows."""
    return "\n".join([line for line in console.splitlines() if line.strip()][-SHOWN_LINES:])


def _versions(report: str) -> dict[str, str] | None:
    """None for a line that another program's output has interrupted."""
    try:
        versions = json.loads(report)
    except ValueError:
        return None
    return (
        {str(name): str(version) for name, version in versions.items()}
        if isinstance(versions, dict)
        else None
    )
