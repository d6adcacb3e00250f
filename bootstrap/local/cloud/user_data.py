"""User data as cloud-init reads it: `#cloud-config` with `write_files`. Pure."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import PurePosixPath

import yaml

from bootstrap.local.cloud.messages import UserDataError

HEADER = "#cloud-config"
DEFAULT_PERMISSIONS = 0o644
BASE64 = ("b64", "base64")


@dataclass(frozen=True, slots=True)
class FileToWrite:
    """A file of `write_files`; `path` is relative to the instance's root."""

    path: PurePosixPath
    content: bytes
    permissions: int


def files_to_write(user_data: bytes) -> list[FileToWrite]:
    """The files that the user data asks for. Raises UserDataError for what is not cloud-config."""
    if not user_data.strip():
        return []
    try:
        text = user_data.decode()
        config = yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserDataError(f"user data is not YAML: {error}") from error
    if not text.startswith(HEADER):
        raise UserDataError(f"user data does not start with {HEADER}")
    entries = config.get("write_files", []) if isinstance(config, dict) else None
    if not isinstance(entries, list):
        raise UserDataError("write_files is not a list")
    return [_file(entry) for entry in entries]


def _file(entry: object) -> FileToWrite:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise UserDataError(f"an entry of write_files has no path: {entry!r}")
    path = PurePosixPath(entry["path"])
    if not path.is_absolute() or ".." in path.parts:
        raise UserDataError(f"not an absolute path: {entry['path']}")
    try:
        permissions = int(str(entry.get("permissions", f"{DEFAULT_PERMISSIONS:o}")), 8)
    except ValueError as error:
        raise UserDataError(f"permissions of {path} are not octal: {entry['permissions']!r}") from error
    return FileToWrite(path.relative_to("/"), _content(entry), permissions)


def _content(entry: dict[str, object]) -> bytes:
    content = str(entry.get("content", ""))
    encoding = entry.get("encoding", "text/plain")
    if encoding in BASE64:
        try:
            return base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise UserDataError(f"content of {entry['path']} is not base64") from error
    if encoding != "text/plain":
        raise UserDataError(f"encoding {encoding!r} of {entry['path']} is not known")
    return content.encode()
