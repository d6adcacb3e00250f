"""Which workers an operator means: by name, or all of this cluster."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches

from bootstrap.errors import SettingsError
from bootstrap.operations.workers.listing import Machine


def chosen(found: Sequence[Machine], names: Collection[str], *, everybody: bool) -> list[Machine]:
    """The machines of these names, like `alice` or `alice/gpu`. Naming nobody means nobody, never everybody.

    Raises SettingsError for a name that no worker has, and where it is not clear who is meant.
    """
    if everybody and names:
        raise SettingsError("name workers, or say --all: not both")
    if everybody:
        return list(found)
    if not names:
        raise SettingsError("name the workers, or say --all for every one of this cluster")
    known = sorted({machine.key for machine in found})
    for name in names:
        if name not in known:
            raise SettingsError(f"there is no worker {name!r}: {_advice(name, known)}")
    return [machine for machine in found if machine.key in names]


def _advice(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else "`cloudjhub workers list` shows them"
