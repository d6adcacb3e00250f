"""What a builder's console tells."""

import pytest

from bootstrap.machines.image.building import Outcome, outcome, tail
from bootstrap.machines.image.setup import last_line
from bootstrap.machines.image.start import FAILED

GOOD = last_line({"jupyterlab": "4.6.6"})


@pytest.mark.parametrize(
    ("console", "told"),
    [
        ("", None),
        ("[ 1.0] Linux\r\n", None),
        (GOOD, Outcome(versions={"jupyterlab": "4.6.6"})),
        (f"[ 9.1] noise\r\n[ 9.2] cloud-init[9]: {GOOD}\r\n", Outcome(versions={"jupyterlab": "4.6.6"})),
        (f"{FAILED}pip ended with 1", Outcome(failure="pip ended with 1")),
        (FAILED, Outcome(failure="no reason given")),
        (GOOD[:-5], None),
        (f"{GOOD[:-5]}[ 9.3] noise\n{GOOD}\n", Outcome(versions={"jupyterlab": "4.6.6"})),
        ("cloudjhub-image: []", None),
    ],
)
def test_how_it_went(console: str, told: Outcome | None) -> None:
    assert outcome(console) == told


def test_the_last_lines_are_shown() -> None:
    console = "\n\n".join(map(str, range(50)))
    assert tail(console).splitlines() == [str(number) for number in range(30, 50)]
