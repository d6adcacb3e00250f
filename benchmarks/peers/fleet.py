"""The fleet that everybody sweeps: the same users and instances for each of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

USERS_FOR_EACH_THAT_RUNS = 5
"""A fifth of the registered users run at a time, as docs/scaling.md takes it."""
TIMEOUT = timedelta(hours=1)
IDLE_FOR = timedelta(minutes=100)
"""Those that are due, since their last activity; and so long ago all that run were started."""
ACTIVE_BEFORE = timedelta(minutes=1)
"""The others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """So many users, the first of whom run, and the first of these are due to be stopped."""

    users: int
    running: int
    due: int

    def __post_init__(self) -> None:
        if not 0 <= self.due <= self.running <= self.users:
            raise ValueError(f"{self} is no fleet")

    def runs(self, number: int) -> bool:
        """Has this user a running instance?"""
        return number < self.running

    def is_due(self, number: int) -> bool:
        """Is this user's instance to be stopped?"""
        return number < self.due

    def has_stopped_rightly(self, numbers: Iterable[int]) -> bool:
        """Were exactly those stopped that were due, each once?"""
        return sorted(numbers) == list(range(self.due))

    @property
    def words(self) -> str:
        """For a heading."""
        return f"{self.running:,} of {self.users:,} users run, {self.due:,} due"


def fleet_of(running: int, due: int) -> Fleet:
    """With as many users as there are usually where so many run."""
    return Fleet(users=running * USERS_FOR_EACH_THAT_RUNS, running=running, due=due)


def user_name(number: int) -> str:
    """The user's name."""
    return f"user{number:06}"


def instance_id(number: int) -> str:
    """The id of the user's instance."""
    return f"i-{number:017x}"


def number_of(name: str) -> int:
    """Whose name, or instance id, this is."""
    return int(name[2:], 16) if name.startswith("i-") else int(name.removeprefix("user"))
