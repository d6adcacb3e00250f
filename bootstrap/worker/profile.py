"""A user's own settings of Jupyter, IPython, Python and the shell: started without, or set aside, where they do harm.

Nothing is ever deleted. A start without them reads nothing of them and leaves them where they are; set aside, they are
renamed into a directory of the home, from where their user takes back what works.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .space import Extra

SUSPECTED_AFTER = 2
"""So many starts in a row that ended by themselves within a minute: the next one does without the user's settings. One
alone may have another cause, such as a hub that just restarts."""
PARTS = (
    *(
        ".jupyter",
        ".ipython",
        ".config/jupyter",
        ".config/ipython",
        ".local/share/jupyter",
        ".local/etc/jupyter",
    ),
    ".local/lib/python3*",
    *(".bashrc", ".bash_profile", ".bash_login", ".profile", ".inputrc"),
    # Jupyter also reads its configuration from the directory in which it is started.
    *("jupyter_*config.py", "jupyter_*config.json"),
)
"""What is set aside, as patterns below the home."""
SKELETON, FILE_SYSTEMS_OWN = Path("/etc/skel"), "lost+found"
README = "README.txt"
EXPLANATION = """\
These are your settings of Jupyter, IPython, Python's packages and the shell. They were moved here, because you chose
"Start with a clean profile". Nothing was deleted. To take something back, move it to its place in your home directory,
for example:

    mv ~/{directory}/.jupyter ~/.jupyter

Start your server again after that. If it does not start, what you took back is the cause.
"""
NOTE = "STARTED-WITHOUT-YOUR-SETTINGS.txt"
NOTICE = """\
JupyterLab did not start with your settings of Jupyter and IPython (~/.jupyter, ~/.ipython, ~/.local/share/jupyter), so
it was started without them. They are where they were. Correct what you changed last, or move it away, then stop your
server and start it again. This file goes away at the next start with your settings.
"""

log = logging.getLogger(__name__)


def furnish(home: Path, skeleton: Path = SKELETON) -> None:
    """Copies into the home on a disk that was just made what a new user's home has, such as `.bashrc`.

    Such a home is empty but for its file system's own directory. It is not worth a failed start.
    """
    try:
        if {one.name for one in home.iterdir()} == {FILE_SYSTEMS_OWN} and skeleton.is_dir():
            shutil.copytree(skeleton, home, dirs_exist_ok=True, symlinks=True)
    except (OSError, shutil.Error) as error:
        log.warning("The home does not get the files of %s: %s", skeleton, error)


def is_suspected(crashes: int) -> bool:
    """After so many starts that ended by themselves at once: may the user's settings be the cause?"""
    return crashes >= SUSPECTED_AFTER


def extra_without(runtime: Path) -> Extra:
    """The settings for a server that reads none of its user's, but has their files. Raises OSError."""
    clean = runtime / "clean"
    clean.mkdir(parents=True, exist_ok=True)
    return Extra(
        {
            "JUPYTER_CONFIG_DIR": str(clean / "config"),
            "JUPYTER_DATA_DIR": str(clean / "data"),
            "IPYTHONDIR": str(clean / "ipython"),
            "PYTHONNOUSERSITE": "1",
        },
        directory=str(clean),
    )


def note_start(home: Path, *, without_settings: bool) -> None:
    """Leave a note in the home while its server runs without its user's settings, and remove it afterwards."""
    try:
        if without_settings:
            (home / NOTE).write_text(NOTICE, encoding="utf-8")
        else:
            (home / NOTE).unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s: %s", NOTE, error.strerror)


def set_aside(home: Path, directory: str) -> bool:
    """Move the user's settings into this directory of their home; False if some could not be moved.

    What was moved by an earlier call stays, and nothing is overwritten: an interrupted one can be repeated.
    """
    target, complete = home / directory, True
    for path in list(_settings_in(home)):
        kept = target / path.relative_to(home)
        if os.path.lexists(kept):
            continue
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.rename(kept)
        except OSError as error:
            log.warning("%s cannot be set aside: %s", path.relative_to(home), error.strerror)
            complete = False
        else:
            log.info("Set aside: %s", path.relative_to(home))
    try:
        target.mkdir(exist_ok=True)
        (target / README).write_text(EXPLANATION.format(directory=directory), encoding="utf-8")
    except OSError as error:
        log.warning("%s cannot be written: %s", README, error.strerror)
    return complete


def _settings_in(home: Path) -> Iterator[Path]:
    for pattern in PARTS:
        if "*" in pattern:
            yield from sorted(home.glob(pattern))
        elif os.path.lexists(home / pattern):
            yield home / pattern
