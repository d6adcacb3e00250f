"""The report as Markdown."""

import pytest

from benchmarks.bench.report import Row, Section, markdown, measured, sample, verdict


@pytest.mark.parametrize(
    ("value", "intro"),
    [(1.29, "≤ 1.3 s: met"), (1.3, "≤ 1.3 s: met"), (1.31, "≤ 1.3 s: **missed**")],
)
def test_a_target_is_met_or_missed(value: float, intro: str) -> None:
    assert verdict(value, 1.3, "s") == intro


def test_a_measured_table() -> None:
    rows = (
        measured("login", sample([1.0, 2.0, 4.0]), 1, "s", at_most=3),
        measured("bare", sample([1.0]), 1, "s"),
    )
    assert markdown("# Head\n", [Section(title="Logins", intro="How.", rows=rows)]) == (
        "# Head\n\n## Logins\n\nHow.\n\n"
        "|  | median | lowest to highest | target |\n| --- | --- | --- | --- |\n"
        "| login | 2.0 s | 1.0 to 4.0 | ≤ 3 s: met |\n| bare | 1.0 s |  |  |\n"
    )


def test_columns_without_content_are_left_out() -> None:
    text = markdown("", [Section(title="Calls", intro="How.", rows=(Row(what="login", value="1"),))])
    assert "|  | measured |\n| --- | --- |\n| login | 1 |" in text
