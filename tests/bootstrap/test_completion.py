"""Shells complete what the command line offers."""

import os
import subprocess
import sys

import pytest

from bootstrap.__main__ import VARIABLE


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_for_each_shell(shell: str) -> None:
    printed = _run(["completion", shell])
    assert VARIABLE in printed
    assert "cloudjhub" in printed


def test_commands_are_completed() -> None:
    """As the script asks for them."""
    asked = {VARIABLE: "bash_complete", "COMP_WORDS": "cloudjhub co", "COMP_CWORD": "1"}
    assert "plain,completion" in _run([], **asked).splitlines()


def _run(words: list[str], **variables: str) -> str:
    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv[0] = 'cloudjhub'; from bootstrap.__main__ import main; main()",
    ]
    done = subprocess.run(
        [*command, *words], env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout
