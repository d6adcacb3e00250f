"""The institution's own lines of JupyterHub's configuration: run last, and named with their line where they fail."""

from pathlib import Path

import pytest
from traitlets.config import Config

from hub.config.own import load
from hub.errors import SettingsError


def loaded(path: Path, text: str) -> Config:
    config = Config()
    config.JupyterHub.tornado_settings = {"headers": {"Cross-Origin-Opener-Policy": "same-origin"}}
    path.write_text(text, encoding="utf-8")
    load(path, config, "hub.config")
    return config


def test_it_sees_our_values_and_wins(tmp_path: Path) -> None:
    config = loaded(
        tmp_path / "own.py",
        "c.JupyterHub.active_server_limit = 7\n"
        "get_config().JupyterHub.tornado_settings['headers']['Content-Security-Policy'] = 'frame-ancestors *'\n",
    )
    assert config.JupyterHub.active_server_limit == 7
    assert config.JupyterHub.tornado_settings["headers"] == {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Content-Security-Policy": "frame-ancestors *",
    }


def test_functions_in_it_find_its_other_names(tmp_path: Path) -> None:
    config = loaded(
        tmp_path / "own.py",
        "import os\nLIMIT = 3\n"
        "def limit():\n    return LIMIT + len(os.sep)\n"
        "c.JupyterHub.active_server_limit = limit()\n",
    )
    assert config.JupyterHub.active_server_limit == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\nc.JupyterHub.y = z\n", "hub.config, line 2: NameError: name 'z' is not defined"),
        ("def f():\n    return {}['a']\n\nf()\n", "hub.config, line 2: KeyError: 'a'"),
        (
            "import no_such_package\n",
            "hub.config, line 1: ModuleNotFoundError: No module named 'no_such_package'",
        ),
        ("x = (\n", "hub.config, line 1: SyntaxError: '(' was never closed"),
        ("import json\n\njson.loads('[')\n", "hub.config, line 3: JSONDecodeError: Expecting value"),
    ],
)
def test_an_error_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path / "own.py", text)
    assert str(caught.value).startswith(said)
