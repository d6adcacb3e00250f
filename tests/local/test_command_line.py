"""Wrong input to the local cloud's command line, as the operator reads it."""

from pathlib import Path

import pytest

from bootstrap import __main__


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["up", "--idle-timeout", "soon"], "'soon' is not a duration"),
        (["up", "--idle-timeout", "15s"], "give a multiple of 10 s"),
        (["up", "--policy", "busy_allowance"], "write NAME=VALUE"),
        (["up", "--policy", "busy_allowance=long"], "give the value as JSON"),
        (["up", "--port", "80"], "1024"),
        (["status"], "start it with `cloudjhub local up`"),
        (["fault", "capacity", "on"], "start it with `cloudjhub local up`"),
        (["fault", "capacity", "maybe"], "'maybe' is not one of"),
        (["logs", "nonsense"], "there is no log of 'nonsense'"),
    ],
)
def test_wrong_input_gets_one_line_that_names_the_fix(
    tmp_path: Path,
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["cloudjhub", "local", words[0], "--state-dir", str(tmp_path), *words[1:]]
    )
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code not in (0, None)
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said
