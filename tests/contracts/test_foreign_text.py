"""Whatever AWS, workers, users and clients send: no control character of it is stored, logged or shown.

One property, asked of each place where such text enters or is printed.
"""

import ast
import inspect
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.table import Table

import bootstrap.errors
import hub.errors
import lifecycle_app.errors
from bootstrap.aws import instances
from bootstrap.aws.errors import meaning
from bootstrap.cli import terminal
from bootstrap.machines.manager.journal import entry_of
from hub.drain.handler import parse_answer
from lifecycle_app.adapters.aws import aws_errors
from lifecycle_app.adapters.hub_client import HubClient
from lifecycle_app.contract import Drain, Level
from lifecycle_app.errors import BadRecord, CloudError, HubError
from lifecycle_app.model import messages
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.printable import PrintableError, printable

NOW = datetime(2026, 11, 30, 3, tzinfo=UTC)
REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = Worker(
    key="ana", instance_id="i-0123456789abcdef0", state=State.RUNNING, state_at=NOW, version=1, changed_at=NOW
)
# ESC, DEL and C1, direction of writing, invisible characters, other line ends, half characters.
HOSTILE = "\x00\x07\x08\x1b\x7f\x85\x9b\x9d\u200b\u200e\u202a\u202e\u2028\u2066\u2069\ufeff\ud800"
TEXTS = st.text(st.one_of(st.sampled_from(HOSTILE), st.characters()), max_size=80)


def error_of_aws(text: str) -> ClientError:
    return ClientError({"Error": {"Code": text, "Message": text}}, "StopInstances")


class Answering(requests.Session):
    """The hub, or what stands in its place: each answer has this text wherever an answer has text."""

    def __init__(self, status: int, reason: str, body: bytes) -> None:
        super().__init__()
        self.answer = requests.Response()
        self.answer.status_code, self.answer.reason = status, reason
        self.answer.raw = Raw(body)

    def request(self, *_: Any, **__: Any) -> requests.Response:
        return self.answer


class Raw(io.BytesIO):
    def read(self, size: int | None = -1, decode_content: bool = False) -> bytes:
        return super().read(size)


class Token:
    def value(self) -> str:
        return "t"

    def forget(self) -> None:
        pass


def of_drain(text: str, status: int = 200) -> list[object]:
    """What the lifecycle app learns of a drain; the hub has the reason and the details of the worker."""
    evidence = {"details": [text], text: text}
    sent = {
        "worker": "ana",
        "instance_id": WORKER.instance_id,
        "drained": False,
        "reason": text,
        "evidence": evidence,
    }
    client = HubClient("http://hub", Token(), Answering(status, text, json.dumps(sent).encode()))
    try:
        answer = client.drain(WORKER, Drain.IDLE, NOW, Level.LOAD)
    except HubError as error:
        return [str(error)]
    return [answer.reason, answer.evidence]


def of_worker(text: str) -> list[object]:
    """What the hub learns of a worker's report."""
    sent = {"instance_id": WORKER.instance_id, "level": 0, "observed_at": NOW.timestamp(), "details": [text]}
    whole = parse_answer(sent, WORKER.instance_id, NOW)
    wrong = [parse_answer({**sent, name: text}, WORKER.instance_id, NOW) for name in ("level", "observed_at")]
    assert whole.observation
    return [whole.observation.evidence, *(one.problem for one in wrong)]


def of_history(text: str) -> list[object]:
    """What an entry of the history holds."""
    said = messages.message("refused", detail=text)
    entry = Entry(
        key="ana", at=NOW, kind=Kind.STOP, reason="idle", message=said, instance_id="i-1",
        evidence={"hub": text, "worker": {text: [text]}},
    )  # fmt: skip
    return [entry.evidence, entry.message.values]


def of_messages(text: str) -> list[object]:
    """What a record, a page and the command line show; also what an older version has stored."""
    read = [messages.read(text), messages.read(json.dumps({"code": "refused", "detail": text}))]
    return [
        messages.text(one) for one in (messages.plain(text), messages.message("rejected", detail=text), *read)
    ]


def of_aws(text: str) -> list[object]:
    """What functions and command line say of AWS's own messages."""
    said: list[object] = [
        str(meaning(error_of_aws(text))),
        str(meaning(EndpointConnectionError(endpoint_url=text))),
    ]
    try:
        with aws_errors("StopInstances"):
            raise error_of_aws(text)
    except CloudError as error:
        return [*said, str(error)]


def of_journal(text: str) -> list[object]:
    """What the manager sends to CloudWatch Logs: all that hub, proxy and web server log, user agents too."""
    line = {"UNIT": text, "MESSAGE": text, "__REALTIME_TIMESTAMP": "1", "__CURSOR": "c"}
    as_bytes = {**line, "MESSAGE": list(text.encode(errors="replace"))}
    return [one.text for each in (line, as_bytes) for one in entry_of(each)]


def of_console(text: str) -> list[object]:
    """The console of a worker, on which its user writes."""

    class Ec2:
        def get_console_output(self, **_: Any) -> dict[str, str]:
            return {"Output": text}

    class Aws:
        def client(self, _: str) -> Ec2:
            return Ec2()

    return [instances.console(Aws(), "i-1")]  # type: ignore[arg-type]  # the little of it that is used


def of_errors(text: str) -> list[object]:
    """Every error of the three packages, as it is logged, stored and shown."""
    return [str(make(text)) for make in ERRORS]


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


def made(kind: type[Exception], text: str) -> Exception:
    """An error with this text in everything that its constructor takes."""
    _, *given = inspect.signature(kind.__init__).parameters.values()
    positions = sum(one.kind is one.POSITIONAL_OR_KEYWORD and one.default is one.empty for one in given)
    return kind(
        *[text] * max(1, positions), **{one.name: text for one in given if one.kind is one.KEYWORD_ONLY}
    )


MODULES = (lifecycle_app.errors.__name__, hub.errors.__name__, bootstrap.errors.__name__)
ERRORS = [partial(made, kind) for kind in subclasses(PrintableError) if kind.__module__ in MODULES]

ENTRIES: Mapping[str, Callable[[str], list[object]]] = {
    "drain": of_drain,
    "refused drain": partial(of_drain, status=500),
    "hub is down": partial(of_drain, status=502),
    "worker": of_worker,
    "history": of_history,
    "messages": of_messages,
    "AWS": of_aws,
    "journal": of_journal,
    "console": of_console,
    "errors": of_errors,
}


def texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from (*texts_in(name), *texts_in(one))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_in(one)


def is_harmless(text: str) -> bool:
    return all(char.isprintable() or char in "\n\t" for char in text)


@pytest.mark.parametrize("entry", ENTRIES)
@example("\x9b2J\u202etxt\x1b]0;title\x07")
@given(TEXTS)
@settings(deadline=None)
def test_no_control_character_gets_in(entry: str, text: str) -> None:
    assert all(map(is_harmless, texts_in(ENTRIES[entry](text))))


def test_every_error_of_ours_is_printable() -> None:
    """None has another root, and each is among those that are tried above."""
    tried = {one.args[0] for one in ERRORS}
    for module in map(sys.modules.get, MODULES):
        ours = {one for one in vars(module).values() if isinstance(one, type) and issubclass(one, Exception)}
        assert ours - {PrintableError} <= tried
    assert len(ERRORS) > 40
    assert str(BadRecord("ana\x9b", "\u202e")) == "the record of ana cannot be used: "


@example("\x9b2J\u202etxt\x1b]0;title\x07")
@given(TEXTS)
@settings(deadline=None)
def test_no_control_character_gets_out(text: str) -> None:
    """On a terminal that shows colours: only rich's own sequences are there, the same as for a harmless text."""
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    shown = io.StringIO()
    terminal.SafeConsole(file=shown, force_terminal=True, markup=False, highlight=False).print(table, text)
    assert is_harmless(printable(shown.getvalue()))
    assert is_harmless(shown.getvalue().replace("\x1b[1m", "").replace("\x1b[3m", "").replace("\x1b[0m", ""))


@given(TEXTS)
@settings(deadline=None)
def test_lines_are_harmless(text: str) -> None:
    shown = io.StringIO()
    with redirect_stdout(shown), redirect_stderr(shown):
        terminal.echo(text)
        terminal.echo(text, err=True, bold=True)
    assert is_harmless(shown.getvalue())


def test_what_is_harmless_stays_as_it_is() -> None:
    text = "Grüße, 学生 👩 £1.24: “ok”\n\tline 2"
    assert printable(text) == text
    assert printable("a\xa0b\r\nc\rd") == "a b\nc d"


@pytest.mark.parametrize("part", ["cli", "local", "__main__.py"])
def test_commands_print_by_one_module_only(part: str) -> None:
    """Use `echo`, `show` or `SafeConsole` of `bootstrap.cli.terminal`."""
    folder = REPOSITORY / "bootstrap" / part
    for path in [folder] if folder.is_file() else folder.rglob("*.py"):
        if path.name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("click.echo", "click.secho", "Console"), f"{path}:{node.lineno}"
