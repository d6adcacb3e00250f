"""docs/cluster-yaml.md shows the file as it is written, and every authenticator's options."""

from pathlib import Path

from bootstrap.config.writing import text
from hub.config.authenticators import CHOICES
from tests.bootstrap.test_cluster_writing import PLAIN

REFERENCE = (Path(__file__).parents[2] / "docs/cluster-yaml.md").read_text(encoding="utf-8")


def test_the_file_is_shown_as_it_is_written() -> None:
    assert f"```yaml\n{text(PLAIN, Path())}```" in REFERENCE


def test_all_options_are_named() -> None:
    for name, choice in CHOICES.items():
        line = next(line for line in REFERENCE.splitlines() if line.startswith(f"| `{name}` |"))
        for key, option in choice.options.items():
            assert (f"**`{key}`**" if option.needed else f"`{key}`") in line
