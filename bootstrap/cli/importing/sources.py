"""Which files of another hub there are, and how each is read."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from bootstrap.cli.importing.finds import Finds, Imported
from bootstrap.cli.importing.hub_state import read_answer, read_database
from bootstrap.cli.importing.settings_files import read_python, read_yaml
from bootstrap.errors import SettingsError
from hub.errors import SettingsError as ListWrong
from hub.users import lists
from hub.users.tables import LARGEST

KNOWN = (
    "config.yaml", "config/config.yaml", "jupyterhub_config.py", "jupyterhub.sqlite", "state/jupyterhub.sqlite",
    "userlist", "launch_cluster/userlist", "jupyterhub_files/userlist", "jupyterhub/userlist",
)  # fmt: skip
"""In a directory: TLJH's `/opt/tljh`, a hub's own, cloudJHub's checkout, its manager's `/etc/jupyterhub`."""
SQLITE = b"SQLite format 3\0"


def read(named: Iterable[Path]) -> tuple[Imported, list[Path]]:
    """What the files say together, and which files were read. Raises SettingsError for one that cannot be read."""
    finds = Finds()
    files = [file for name in named for file in _files(name)]
    for file in files:
        _read(file, finds)
    return finds.result(), files


def _files(named: Path) -> Iterator[Path]:
    """The file, or those known in a directory."""
    if not named.is_dir():
        yield named
        return
    found = [named / name for name in KNOWN if (named / name).is_file()]
    if not found:
        raise SettingsError(f"{named} has none of {', '.join(KNOWN)}: name the file with the users")
    yield from found


def _read(file: Path, finds: Finds) -> None:
    try:
        with file.open("rb") as stream:
            if stream.read(len(SQLITE)) == SQLITE:
                read_database(file, finds)
                return
            stream.seek(0)
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise SettingsError(f"{file} has more than {LARGEST // 1024**2} MB: it is not a list of users")
    if file.suffix in (".yaml", ".yml"):
        read_yaml(_text(content, file), file, finds)
    elif file.suffix == ".py":
        read_python(_text(content, file), file, finds)
    elif content.lstrip()[:1] in (b"[", b"{"):
        read_answer(_text(content, file), file, finds)
    else:
        _read_list(content, file, finds)


def _text(content: bytes, file: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{file}, line {line}: not UTF-8 text: save the file as UTF-8") from error


def _read_list(content: bytes, file: Path, finds: Finds) -> None:
    """A list as `cloudjhub users add --from` reads it; the earlier cloudJHub's userlist is one."""
    try:
        found = lists.listed(content, str(file))
    except ListWrong as error:
        raise SettingsError(str(error)) from error
    finds.notes.extend(f"{file}: {note}" for note in found.notes)
    for name, is_admin in found.users.items():
        finds.user(name, str(file), admin=is_admin)
