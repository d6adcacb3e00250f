"""Profiles of machines that no user could have, or that name groups which are not known."""

from collections.abc import Collection, Iterator, Sequence

from bootstrap.aws.site import Site
from bootstrap.cluster.users import read_people
from bootstrap.config.settings import Profile
from bootstrap.errors import NotBuilt
from bootstrap.preflight.problem import Problem, warning
from lifecycle_app.adapters.store import WorkerStore


def problems(site: Site) -> Iterator[Problem]:
    """Profiles that users cannot have."""
    profiles = site.settings.workers.profiles
    yield from judge_open(profiles)
    if any(profile.groups for profile in profiles) and (known := _known_groups(site)) is not None:
        yield from judge_groups(profiles, known)


def judge_open(profiles: Sequence[Profile]) -> Iterator[Problem]:
    """Is one of them for all users? Pure."""
    if profiles and all(profile.groups for profile in profiles):
        groups = ", ".join(dict.fromkeys(group for profile in profiles for group in profile.groups))
        yield warning(
            f"every profile is for groups: who is in none of {groups} gets no machine; leave `groups` out of one in "
            "`workers.profiles` unless that is meant"
        )


def judge_groups(profiles: Sequence[Profile], known: Collection[str]) -> Iterator[Problem]:
    """Are their groups known? Login providers and the hub have groups, too, of which none may have been seen. Pure."""
    for profile in profiles:
        unknown = [group for group in profile.groups if group not in known]
        if unknown:
            yield warning(
                f"the profile {profile.name} is for {', '.join(unknown)}, of which no teacher and no user with a "
                "machine is known yet: check in `workers.profiles` that the name is right"
            )


def _known_groups(site: Site) -> set[str] | None:
    """The groups of teachers and of users with machines; None before the cluster is built."""
    try:
        people = read_people(site)
    except NotBuilt:
        return None
    workers = WorkerStore(site.cluster, region=site.aws.region).all_workers()
    return {group for groups in people.teaches.values() for group in groups} | {
        group for worker in workers for group in worker.groups
    }
