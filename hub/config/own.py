"""The institution's own lines of JupyterHub's configuration, which are run last."""

import traceback
from pathlib import Path
from typing import Any

from hub.errors import SettingsError


def load(path: Path, config: Any, setting: str) -> None:
    """Run a file with `c` as the configuration so far. Raises SettingsError with the line where it fails."""
    try:
        code = compile(path.read_text(encoding="utf-8"), str(path), "exec", dont_inherit=True)
        exec(code, {"c": config, "get_config": lambda: config, "__file__": str(path)})  # noqa: S102 -- the operator's
    except Exception as error:
        what = error.msg if isinstance(error, SyntaxError) else error
        raise SettingsError(f"{setting}{_line(error, path)}: {type(error).__name__}: {what}") from error


def _line(error: Exception, path: Path) -> str:
    """Like ", line 3"; "" where the error is not in the file."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    lines = [one.lineno for one in traceback.extract_tb(error.__traceback__) if one.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""
