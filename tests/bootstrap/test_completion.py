"""Shells complete what the command line offers."""

import os
import subprocess
import sys

import pytest

from bootstrap.cli.completion import VARIABLE


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_for_each_shell(shell: str) -> None:
    printed = _run(["completion", shell])
    assert VARIABLE in printed
    assert "cloudjhub" in printed


def test_commands_are_completed() -> None:
    """As the script asks for them."""
    asked = {VARIABLE: "bash_complete", "COMP_WORDS": "cloudjhub co", "COMP_CWORD": "1"}
    assert "plain,completion" in _run([], **asked).splitlines()


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_what_needs_no_cluster_imports_no_library_but_clicks(words: list[str]) -> None:
    """It should appear at once: boto3, pydantic and rich take most of a second to import."""
    program = (
        "import sys; before = set(sys.modules); from bootstrap.__main__ import cli; "
        "cli(sys.argv[1:], standalone_mode=False); print(*(set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert loaded - set(sys.stdlib_module_names) == {"bootstrap", "lifecycle_app", "click"}


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
