"""Arguments of commands, read by the same readers as the values of cluster.yaml."""

from dataclasses import dataclass
from pathlib import Path

from bootstrap.config.document import Listing, Place, Scalar, Value, WrongSetting
from bootstrap.errors import SettingsError


class Argument(Place):
    """The place of a value on the command line: errors name the argument, not a file."""

    __slots__ = ()

    def __init__(self, key: str) -> None:
        super().__init__(Path(), 0, key)

    def wrong(self, message: str) -> WrongSetting:
        return WrongArgument(self, message)


class WrongArgument(WrongSetting):
    """What is wrong with an argument."""

    def __init__(self, place: Place, words: str) -> None:
        SettingsError.__init__(self, f"{place.key}: {words}")
        self.words = words


@dataclass(frozen=True, slots=True)
class Assignment:
    """`name=value`, as a command takes it; with commas, the value is a list."""

    name: str
    text: str

    @classmethod
    def read(cls, argument: str) -> "Assignment":
        """Raises SettingsError for what is no assignment."""
        name, equals, text = argument.partition("=")
        if not equals or not name:
            raise SettingsError(f"{argument!r}: write name=value, like idle_timeout=90m")
        return cls(name.strip(), text.strip())

    def value(self, *, is_list: bool) -> Value:
        place = Argument(self.name)
        if not is_list:
            return Scalar(place, self.text)
        words = self.text.strip("[]").split(",")
        return Listing(place, tuple(Scalar(place, word.strip()) for word in words if word.strip()))
