"""Files of the operator's that `cluster.yaml` names and that machines get through the bucket."""

import warnings
from pathlib import Path

from bootstrap.errors import SettingsError
from hub.config.brand import logo_in

LARGEST = 64 * 1024
"""Bytes."""


def text_of(file: Path, setting: str) -> str:
    """The file's text. Raises SettingsError, with the setting that names it, if it cannot be used."""
    content = _content_of(file, setting)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise SettingsError(f"{setting}: {file} is not text in UTF-8") from error


def picture_of(file: Path, setting: str) -> bytes:
    """The content of a picture that the hub's pages can show. Raises SettingsError that says why they cannot."""
    try:
        return logo_in(_content_of(file, setting)).content
    except ValueError as error:
        raise SettingsError(f"{setting}: {file} {error}") from error


def _content_of(file: Path, setting: str) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise SettingsError(f"{setting}: {file} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise SettingsError(f"{setting}: {file} is larger than {LARGEST // 1024} KB")
    return content


def python_of(file: Path, setting: str) -> str:
    """The text of a file that Python can compile. Raises SettingsError with the line where it cannot."""
    text = text_of(file, setting)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, str(file), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SettingsError(f"{setting}: {file}, line {error.lineno}: {error.msg}") from error
    except ValueError as error:  # a NUL
        raise SettingsError(f"{setting}: {file} is not Python: {error}") from error
    return text


def script_of(file: Path, setting: str) -> str:
    """The text of a script that Linux can run. Raises SettingsError."""
    text = text_of(file, setting)
    if not text.startswith("#!/"):
        raise SettingsError(
            f"{setting}: {file} does not say what runs it: begin it with a line like #!/bin/bash"
        )
    if "\r" in text:
        raise SettingsError(f"{setting}: {file} has line ends of Windows: save it with those of Linux")
    return text
