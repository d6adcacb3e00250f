"""What a user chooses at a start: the profile of a new machine, and whether to start with a clean profile of settings.

A cluster without profiles offers its instance types, each as a profile of its own.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from hub.config.profiles import Profile
from hub.config.settings import Settings
from hub.spawn.machine_types import machine_type
from lifecycle_app.model.worker import State, Worker

PROFILE, INSTANCE_TYPE = "profile", "instance_type"
"""The option that chooses a machine: a profile's name, or the type where the cluster has no profiles."""
CLEAN_PROFILE = "clean_profile"
"""An option with this name and any value but "" sets the user's own settings aside, at this start alone."""
BACKUP = "backup"
"""The option with the snapshot whose files a new machine shows beside the home, at this start alone."""
SNAPSHOT = re.compile(r"snap-[0-9a-f]{8,17}", re.ASCII)
_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)


async def options_form(spawner: Any) -> str:
    """The form for a user who has no instance yet; "" for the others, who cannot choose."""
    await spawner.parts.reader.loaded()
    if has_machine(spawner.parts.reader.get(spawner.key)):
        return ""
    settings, groups = spawner.parts.settings, groups_of(spawner.user)
    allowed = offered(settings, groups)
    if len(allowed) < 2:
        return ""
    try:
        chosen = chosen_in(spawner.orm_spawner.user_options or {}, settings, groups)
    except ValueError:
        chosen = allowed[0]
    return form(settings, allowed, chosen)


def has_machine(worker: Worker | None) -> bool:
    """Has the worker an instance, whose type stays?"""
    return worker is not None and worker.state is not State.TERMINATED


def groups_of(user: Any) -> frozenset[str]:
    """The names of the groups that one of JupyterHub's users is in; none for None."""
    return frozenset(group.name for group in user.groups) if user else frozenset()


def choice_option(settings: Settings) -> str:
    """The name of the option that chooses a machine. Pure, as what follows."""
    return PROFILE if settings.profiles else INSTANCE_TYPE


def offered(settings: Settings, groups: Collection[str]) -> tuple[Profile, ...]:
    """What a member of these groups may choose, the default one first."""
    return tuple(profile for profile in settings.choices if profile.is_for(groups))


def chosen_in(options: Mapping[str, Any], settings: Settings, groups: Collection[str]) -> Profile:
    """What a member of these groups has chosen, or the default one. Raises ValueError with a message for the user."""
    option = choice_option(settings)
    unknown = sorted(str(name) for name in options if name not in (option, CLEAN_PROFILE, BACKUP))
    if unknown:
        raise ValueError(
            f"Unknown option {_shortened(unknown[0])}. The options are {option}, {CLEAN_PROFILE} and {BACKUP}."
        )
    allowed = offered(settings, groups)
    if not allowed:
        raise ValueError(
            "Each kind of machine here is for members of certain groups. Ask your administrator to add you to one."
        )
    names = ", ".join(one.name for one in allowed)
    chosen = options.get(option, allowed[0].name)
    if isinstance(chosen, list) and len(chosen) == 1:  # as forms send it
        chosen = chosen[0]
    known = {one.name: one for one in settings.choices}
    if not isinstance(chosen, str) or chosen not in known:
        kind = "profile" if settings.profiles else "machine type"
        raise ValueError(f"Unknown {kind} {_shortened(chosen)}. Choose one of {names}.")
    profile = known[chosen]
    if profile not in allowed:
        members = " or ".join(profile.groups)
        raise ValueError(f"The profile {chosen} is only for members of {members}. Choose one of {names}.")
    return profile


def form(settings: Settings, allowed: Collection[Profile], chosen: Profile) -> str:
    """The form's HTML: a card for each profile."""
    option = choice_option(settings)
    cards = [
        {
            "name": one.name,
            "description": one.description,
            "kind": machine_type(one.types[0], settings.region),
            "types": one.types if option == PROFILE else (),
        }
        for one in allowed
    ]
    return _TEMPLATES.get_template("options.html").render(option=option, cards=cards, chosen=chosen.name)


def is_clean(options: Mapping[str, Any]) -> bool:
    """Has the user chosen to start with a clean profile?"""
    return options.get(CLEAN_PROFILE) not in (None, "", False, [""])


def lasting(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that also hold for later starts."""
    return {name: value for name, value in options.items() if name not in (CLEAN_PROFILE, BACKUP)}


def backup_in(options: Mapping[str, Any]) -> str:
    """The id of the snapshot that the user has chosen, "" for none or for what is none."""
    chosen = options.get(BACKUP)
    if isinstance(chosen, list) and len(chosen) == 1:  # as forms send it
        chosen = chosen[0]
    return chosen if isinstance(chosen, str) and SNAPSHOT.fullmatch(chosen) else ""


def current(options: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The options without a choice that was kept from when the cluster had no profiles, or had them."""
    outdated = {PROFILE, INSTANCE_TYPE} - {choice_option(settings)}
    return {name: value for name, value in options.items() if name not in outdated}


def _shortened(value: object) -> str:
    """What was sent, in a few characters: it can be megabytes, or nested lists."""
    return repr(value)[:60] if isinstance(value, str) else f"(a {type(value).__name__})"
