"""User data as cloud-init reads it."""

from pathlib import PurePosixPath

import pytest

from bootstrap.local.cloud.errors import UserDataError
from bootstrap.local.cloud.hypervisor.disks import FileToWrite, files_to_write


def cloud_config(*lines: str) -> bytes:
    return "\n".join(["#cloud-config", *lines]).encode()


@pytest.mark.parametrize("user_data", [b"", b"  \n"])
def test_no_user_data(user_data: bytes) -> None:
    assert files_to_write(user_data) == []


def test_a_file() -> None:
    asked = cloud_config("write_files:", "- path: /etc/x/y", "  content: hello", "  permissions: '0640'")
    assert files_to_write(asked) == [FileToWrite(PurePosixPath("etc/x/y"), b"hello", 0o640)]


def test_a_file_in_base64() -> None:
    asked = cloud_config("write_files:", "- path: /x", "  content: aGVsbG8=", "  encoding: b64")
    assert files_to_write(asked) == [FileToWrite(PurePosixPath("x"), b"hello", 0o644)]


@pytest.mark.parametrize(
    ("user_data", "words"),
    [
        (b"#!/bin/sh\necho", "does not start with #cloud-config"),
        (b"#cloud-config\n- [", "is not YAML"),
        (b"\xff\xfe", "is not YAML"),
        (cloud_config("write_files: 7"), "write_files is not a list"),
        (cloud_config("- a"), "write_files is not a list"),
        (cloud_config("write_files:", "- content: x"), "has no path"),
        (cloud_config("write_files:", "- path: etc/x"), "not an absolute path"),
        (cloud_config("write_files:", "- path: /etc/../../x"), "not an absolute path"),
        (cloud_config("write_files:", "- path: /x", "  permissions: rw"), "not octal"),
        (cloud_config("write_files:", "- path: /x", "  encoding: b64", "  content: '?'"), "not base64"),
        (cloud_config("write_files:", "- path: /x", "  encoding: gzip"), "not known"),
    ],
)
def test_what_is_refused(user_data: bytes, words: str) -> None:
    with pytest.raises(UserDataError, match=words):
        files_to_write(user_data)
