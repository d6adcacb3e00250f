"""The reporter in a real Jupyter server, with real kernels and terminals."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.websocket import WebSocketClientConnection

from tests.shared.waiting import PATIENCE

from .conftest import PERIOD, CloudWatch
from .places import Jupyter, as_json, as_v1, execute, message, until

pytestmark = pytest.mark.timeout(PATIENCE)

LAB_POLLS = ("api/kernels", "api/terminals", "api/sessions", "api/contents?content=1", "api/status", "api/me")


def is_work(seen: dict[str, Any]) -> bool:
    return bool(seen["level"] == 2)


async def idle(connection: WebSocketClientConnection) -> None:
    """Read until the kernel has nothing more to do."""
    while True:
        received = json.loads(str(await connection.read_message()))
        if received["header"]["msg_type"] == "status" and received["content"]["execution_state"] == "idle":
            return


async def test_a_new_server_is_quiet_and_says_so(jupyter: Jupyter, cloudwatch: CloudWatch) -> None:
    seen = await jupyter.quiet()
    assert seen | {"observed_at": 0, "cpu_percent": 0} == {
        "instance_id": "i-reporter",
        "observed_at": 0,
        "last_interaction": None,
        "last_work": None,
        "last_app": None,
        "app": 0,
        "busy_kernels": 0,
        "busy_terminals": 0,
        "cpu_percent": 0,
        "level": 0,
        "details": [],
    }
    await until(lambda: activity(cloudwatch), lambda levels: levels[-1:] == [0])


async def test_a_request_without_token_is_refused(jupyter: Jupyter) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await AsyncHTTPClient().fetch(jupyter.url + "cloudjhub/activity")
    assert refused.value.code == 403


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", "{}")])
async def test_a_page_without_token_gets_nothing(jupyter: Jupyter, method: str, body: str | None) -> None:
    path = "cloudjhub/status" if body is None else "cloudjhub/gesture"
    with pytest.raises(HTTPClientError) as refused:
        await AsyncHTTPClient().fetch(jupyter.url + path, method=method, body=body)
    assert refused.value.code == 403


async def test_a_gesture_is_an_interaction_and_what_a_page_asks_is_none(jupyter: Jupyter) -> None:
    before = await jupyter.quiet()
    asked = await jupyter.call("GET", "cloudjhub/status")
    assert (await jupyter.look())["last_interaction"] == before["last_interaction"] == asked["last_used"]
    assert (asked["stops_at"], asked["keep_limit"], asked["can_ask"]) == (None, 0, False)
    used = asked["usage"]
    assert 0 < used["memory"]["used"] < used["memory"]["total"]
    assert 0 < used["home"]["used"] < used["home"]["total"]
    told = await jupyter.call("POST", "cloudjhub/gesture", {})
    seen = await jupyter.look()
    assert told["last_used"] == seen["last_interaction"] != before["last_interaction"]
    assert seen["details"][0].startswith("typed, clicked or scrolled")
    again = await jupyter.call("POST", "cloudjhub/gesture", {})
    assert again["last_used"] == told["last_used"]


async def test_a_gesture_has_no_long_body(jupyter: Jupyter) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jupyter.call("POST", "cloudjhub/gesture", {"keys": "x" * 1000})
    assert refused.value.code == 413


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("keep", {"seconds": "60"}, 400),
        ("keep", {"seconds": -1}, 400),
        ("keep", [], 400),
        ("keep", {"seconds": 60, "more": "x" * 1000}, 413),
        ("stop", {"more": "x" * 1000}, 413),
    ],
)
async def test_a_request_of_a_page_is_bounded(jupyter: Jupyter, path: str, body: Any, code: int) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jupyter.call("POST", f"cloudjhub/{path}", body)
    assert refused.value.code == code


@pytest.mark.parametrize(("path", "body"), [("keep", {"seconds": 60}), ("stop", {})])
async def test_without_a_hub_nothing_can_be_requested(
    jupyter: Jupyter, path: str, body: dict[str, int]
) -> None:
    assert (await jupyter.call("POST", f"cloudjhub/{path}", body))["refused"] == "unavailable"
    with pytest.raises(HTTPClientError) as refused:
        await AsyncHTTPClient().fetch(jupyter.url + f"cloudjhub/{path}", method="POST", body=json.dumps(body))
    assert refused.value.code == 403


async def test_widgets_of_a_page_that_reports_gestures_show_no_person(jupyter: Jupyter) -> None:
    """They come at a person's times, and the page reports no gesture meanwhile."""
    await jupyter.call("GET", "cloudjhub/status")
    kernel = await jupyter.kernel()
    address = f"api/kernels/{kernel}/channels?session_id=s"
    reporting = await jupyter.socket(address + "&cloudjhub_gestures=1")
    other = await jupyter.socket(address.replace("=s", "=another"))
    before = await jupyter.quiet()
    moved = as_json(message("comm_msg", {"comm_id": "c", "data": {"method": "update"}}))
    await reporting.write_message(moved)
    await reporting.write_message(as_json(message("kernel_info_request", {})))
    await reporting.read_message()  # all that was sent before has been seen
    assert (await jupyter.look())["last_app"] == before["last_app"]
    await other.write_message(moved)
    await until(jupyter.look, lambda seen: seen["last_app"] != before["last_app"])
    reporting.close()
    other.close()
    await jupyter.call("DELETE", f"api/kernels/{kernel}")


async def activity(cloudwatch: CloudWatch, name: str = "Activity") -> list[float]:
    return cloudwatch.datapoints(name, "i-reporter")


async def test_to_be_asked_is_no_activity_for_the_hub(jupyter: Jupyter) -> None:
    before = (await jupyter.call("GET", "api/status?no_track_activity=1"))["last_activity"]
    await jupyter.call("GET", "cloudjhub/activity")
    assert (await jupyter.call("GET", "api/status?no_track_activity=1"))["last_activity"] == before


async def test_an_open_tab_that_polls_is_quiet(jupyter: Jupyter, cloudwatch: CloudWatch) -> None:
    """A kernel and a terminal stand open, their sockets connected; the tab asks and asks."""
    kernel = await jupyter.kernel()
    connection = await jupyter.socket(f"api/kernels/{kernel}/channels?session_id=s")
    name, terminal = await jupyter.terminal()
    before = await jupyter.quiet()
    reports = len(await activity(cloudwatch))

    async def poll() -> list[float]:
        for path in LAB_POLLS:
            await jupyter.call("GET", path)
        await connection.write_message(as_json(message("kernel_info_request", {})))
        await connection.write_message(as_json(message("comm_info_request", {})))
        await terminal.write_message(json.dumps(["set_size", 24, 80, 600, 800]))
        await terminal.write_message(json.dumps(["stdin", "\x1b[24;80R"]))
        await asyncio.sleep(PERIOD / 10)
        return (await activity(cloudwatch))[reports:]

    levels = await until(poll, lambda levels: len(levels) >= 4)
    # Level 1 may come from the load of polling ten times as fast as a tab does.
    assert max(levels) <= 1
    after = await jupyter.look()
    assert after["last_interaction"] == before["last_interaction"]
    assert after["last_work"] == before["last_work"]
    connection.close()
    terminal.close()
    await jupyter.call("DELETE", f"api/kernels/{kernel}")
    await jupyter.call("DELETE", f"api/terminals/{name}")


@pytest.mark.parametrize("subprotocol", [None, "v1.kernel.websocket.jupyter.org"])
async def test_a_run_cell_is_an_interaction_and_then_it_is_quiet_again(
    jupyter: Jupyter, cloudwatch: CloudWatch, subprotocol: str | None
) -> None:
    kernel = await jupyter.kernel()
    connection = await jupyter.socket(
        f"api/kernels/{kernel}/channels?session_id=s", [subprotocol] if subprotocol else None
    )
    assert connection.selected_subprotocol == subprotocol
    before = await jupyter.quiet()
    if subprotocol:
        await connection.write_message(as_v1(execute("1 + 1")), binary=True)
    else:
        await connection.write_message(as_json(execute("1 + 1")))
    seen = await until(jupyter.look, lambda seen: seen["last_interaction"] != before["last_interaction"])
    assert seen["level"] == 3
    assert seen["details"][0].startswith("ran code")
    assert (await jupyter.quiet())["last_interaction"] == seen["last_interaction"]
    await until(lambda: activity(cloudwatch), lambda levels: levels[-1] == 0 and 3 in levels)
    assert (await activity(cloudwatch, "Interaction"))[-1] == 1
    connection.close()
    await jupyter.call("DELETE", f"api/kernels/{kernel}")


async def test_a_silent_cell_is_work_while_it_runs(jupyter: Jupyter, cloudwatch: CloudWatch) -> None:
    """No client is connected, nothing is printed."""
    kernel = await jupyter.kernel()
    connection = await jupyter.socket(f"api/kernels/{kernel}/channels?session_id=s")
    await connection.write_message(as_json(execute("import time; time.sleep(3600)")))
    await until(jupyter.look, lambda seen: seen["busy_kernels"] == 1)
    connection.close()
    seen = await until(jupyter.look, is_work)
    assert seen["details"][0] == f"kernel python3 ({kernel[:8]}) is busy"
    await until(lambda: activity(cloudwatch), lambda levels: levels[-1] == 2)
    assert (await activity(cloudwatch, "BusyKernels"))[-1] == 1
    await jupyter.call("POST", f"api/kernels/{kernel}/interrupt", {})
    assert (await jupyter.quiet())["last_work"] >= seen["last_work"]
    await jupyter.call("DELETE", f"api/kernels/{kernel}")


async def test_a_page_that_asks_a_busy_kernel_for_its_use_does_not_make_it_idle(jupyter: Jupyter) -> None:
    """jupyter-resource-usage's side bar does, and the kernel says on another thread that it has answered."""
    kernel = await jupyter.kernel()
    connection = await jupyter.socket(f"api/kernels/{kernel}/channels?session_id=s")
    await connection.write_message(as_json(execute("import time; time.sleep(3600)")))
    await until(jupyter.look, lambda seen: seen["busy_kernels"] == 1)
    asked = message("usage_request", {}, channel="control")
    await connection.write_message(as_json(asked))
    told: tuple[str, str] | None = None
    while told != (asked["header"]["msg_id"], "idle"):
        received = json.loads(str(await connection.read_message()))
        told = received["parent_header"].get("msg_id"), received["content"].get("execution_state")
    assert await state(jupyter, kernel) == "busy"
    assert (await jupyter.look())["busy_kernels"] == 1
    connection.close()
    await jupyter.call("DELETE", f"api/kernels/{kernel}")


ASKS = [
    pytest.param("input('Go on? ')", id="input"),
    pytest.param("import pdb\ndef f():\n    pdb.set_trace()\n    return 1\nf()", id="debugger"),
]


def asking(code: str) -> str:
    """A cell whose user can answer its questions."""
    sent = execute(f"import time\n{code}")
    sent["content"]["allow_stdin"] = True
    return as_json(sent)


async def state(jupyter: Jupyter, kernel: str) -> str:
    return str((await jupyter.call("GET", f"api/kernels/{kernel}"))["execution_state"])


@pytest.mark.parametrize("code", ASKS)
async def test_a_kernel_that_asks_a_question_is_not_busy_until_it_is_answered(
    jupyter: Jupyter, code: str
) -> None:
    kernel = await jupyter.kernel()
    connection = await jupyter.socket(f"api/kernels/{kernel}/channels?session_id=s")
    await connection.write_message(asking(code + "\ntime.sleep(3600)"))
    while json.loads(str(await connection.read_message()))["header"]["msg_type"] != "input_request":
        pass
    await jupyter.quiet()
    assert await state(jupyter, kernel) == "busy"
    await connection.write_message(as_json(message("input_reply", {"value": "c"}, channel="stdin")))
    await until(jupyter.look, lambda seen: is_work(seen) and seen["busy_kernels"] == 1)
    connection.close()
    await jupyter.call("DELETE", f"api/kernels/{kernel}")


async def test_a_question_that_no_tab_is_there_for_is_seen_too(jupyter: Jupyter) -> None:
    """The tab was closed while the cell still ran: the server keeps the question for it."""
    kernel = await jupyter.kernel()
    connection = await jupyter.socket(f"api/kernels/{kernel}/channels?session_id=s")
    go = jupyter.home / "go"
    wait = f"import os\nwhile not os.path.exists({str(go)!r}): time.sleep(0.1)"
    await connection.write_message(asking(f"{wait}\ninput()"))
    await until(jupyter.look, lambda seen: seen["busy_kernels"] == 1)
    connection.close()
    await until(lambda: jupyter.call("GET", f"api/kernels/{kernel}"), lambda model: model["connections"] == 0)
    go.touch()
    await jupyter.quiet()
    assert await state(jupyter, kernel) == "busy"
    await jupyter.call("POST", f"api/kernels/{kernel}/interrupt", {})
    await until(lambda: state(jupyter, kernel), lambda seen: seen == "idle")
    connection = await jupyter.socket(f"api/kernels/{kernel}/channels?session_id=another")
    await connection.write_message(as_json(execute("import time; time.sleep(3600)")))
    await until(jupyter.look, lambda seen: is_work(seen) and seen["busy_kernels"] == 1)
    connection.close()
    await jupyter.call("DELETE", f"api/kernels/{kernel}")


async def test_a_terminal_job_is_work_until_it_ends(jupyter: Jupyter, cloudwatch: CloudWatch) -> None:
    name, terminal = await jupyter.terminal()
    await terminal.write_message(json.dumps(["stdin", "sleep 3600\r"]))
    assert (await until(jupyter.look, lambda seen: seen["level"] == 3))["details"][0].startswith("typed into")
    seen = await until(jupyter.look, is_work)
    assert (seen["busy_terminals"], seen["details"][0]) == (1, f"terminal {name} runs sleep")
    await until(lambda: activity(cloudwatch), lambda levels: levels[-1] == 2)
    assert (await activity(cloudwatch, "BusyTerminals"))[-1] == 1
    await terminal.write_message(json.dumps(["stdin", "\x03"]))
    await jupyter.quiet()
    terminal.close()
    await jupyter.call("DELETE", f"api/terminals/{name}")


async def test_a_suspended_job_and_an_inner_prompt_are_quiet(jupyter: Jupyter) -> None:
    name, terminal = await jupyter.terminal()
    await terminal.write_message(json.dumps(["stdin", "bash --norc\r"]))
    await terminal.write_message(json.dumps(["stdin", "sleep 3600\r"]))
    await until(jupyter.look, is_work)
    await terminal.write_message(json.dumps(["stdin", "\x1a"]))
    assert (await jupyter.quiet())["busy_terminals"] == 0
    terminal.close()
    await jupyter.call("DELETE", f"api/terminals/{name}")


async def test_a_prompt_that_waits_for_keys_is_quiet(jupyter: Jupyter) -> None:
    name, terminal = await jupyter.terminal()
    pid_file = jupyter.home / "prompt.pid"
    note = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(3600)\r"
    await terminal.write_message(json.dumps(["stdin", f"{sys.executable} -q\r"]))
    await terminal.write_message(json.dumps(["stdin", note]))
    while not pid_file.exists() or not pid_file.read_text():
        await asyncio.sleep(0.05)
    await until(jupyter.look, is_work)
    await terminal.write_message(json.dumps(["stdin", "\x03"]))
    seen = await jupyter.quiet()
    os.kill(int(pid_file.read_text()), 0)  # it is still there
    assert seen["busy_terminals"] == 0
    terminal.close()
    await jupyter.call("DELETE", f"api/terminals/{name}")


async def test_what_a_kernel_started_is_work_after_its_cell(jupyter: Jupyter) -> None:
    """No browser is connected, and it uses no CPU."""
    kernel = await jupyter.kernel()
    connection = await jupyter.socket(f"api/kernels/{kernel}/channels?session_id=s")
    code = "import subprocess; child = subprocess.Popen(['sleep', '3600'])"
    await connection.write_message(as_json(execute(code)))
    await idle(connection)
    connection.close()
    seen = await until(jupyter.look, is_work)
    assert (seen["busy_kernels"], seen["details"][0]) == (0, f"sleep runs, started by kernel {kernel[:8]}")
    await jupyter.call("DELETE", f"api/kernels/{kernel}")
    await jupyter.quiet()


async def test_a_job_that_detached_itself_is_work_after_its_terminal_is_gone(jupyter: Jupyter) -> None:
    name, terminal = await jupyter.terminal()
    pid_file = jupyter.home / "job.pid"
    job = f"setsid nohup sh -c 'echo $$ > {pid_file}; exec sleep 3600' >/dev/null 2>&1 & disown; exit\r"
    await terminal.write_message(json.dumps(["stdin", job]))
    seen = await until(jupyter.look, is_work)
    assert "sleep runs detached" in seen["details"]
    assert name not in [terminal["name"] for terminal in await jupyter.call("GET", "api/terminals")]
    terminal.close()
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    await jupyter.quiet()


async def test_a_load_without_anything_else_is_level_1(jupyter: Jupyter) -> None:
    """A kernel that is idle, but has left a thread behind that computes."""
    kernel = await jupyter.kernel()
    connection = await jupyter.socket(f"api/kernels/{kernel}/channels?session_id=s")
    code = "import threading\ndef spin():\n    while True: pass\nthreading.Thread(target=spin, daemon=True).start()"
    await connection.write_message(as_json(execute(code)))
    connection.close()
    seen = await until(jupyter.look, lambda seen: seen["level"] == 1)
    assert seen["cpu_percent"] >= 20
    await jupyter.call("DELETE", f"api/kernels/{kernel}")
    await jupyter.quiet()


def notebook(source: str, printed: str = "") -> dict[str, Any]:
    output = {"output_type": "stream", "name": "stdout", "text": printed}
    cell = {
        "cell_type": "code",
        "id": "a",
        "source": source,
        "metadata": {},
        "execution_count": 1,
        "outputs": [output] if printed else [],
    }
    return {
        "type": "notebook",
        "content": {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5},
    }


async def test_saves_count_when_a_person_has_written_something(jupyter: Jupyter) -> None:
    async def saved(model: dict[str, Any]) -> bool:
        before = (await jupyter.look())["last_interaction"]
        await jupyter.call("PUT", "api/contents/a.ipynb", model)
        return bool((await jupyter.look())["last_interaction"] != before)

    assert await saved(notebook("1"))
    assert not await saved(notebook("1"))
    assert not await saved(notebook("1", printed="much"))
    assert await saved(notebook("2", printed="much"))
    on_disk = jupyter.home / "a.ipynb"
    on_disk.rename(jupyter.home / "b.ipynb")
    before = (await jupyter.look())["last_interaction"]
    await jupyter.call("PUT", "api/contents/b.ipynb", notebook("2", printed="more"))
    assert (await jupyter.look())["last_interaction"] == before, "a notebook from before this server's time"
    await jupyter.quiet()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "api/contents", {"type": "file", "ext": ".txt"}),
        ("PUT", "api/contents/new.txt", {"type": "file", "format": "text", "content": "new"}),
        ("PATCH", "api/contents/here.txt", {"path": "moved.txt"}),
        ("DELETE", "api/contents/here.txt", None),
    ],
)
async def test_file_operations_are_interactions(jupyter: Jupyter, method: str, path: str, body: Any) -> None:
    (jupyter.home / "moved.txt").unlink(missing_ok=True)
    (jupyter.home / "here.txt").write_text("there before")
    before = (await jupyter.look())["last_interaction"]
    await jupyter.call(method, path, body)
    assert (await jupyter.look())["last_interaction"] != before


async def test_to_open_a_page_is_an_interaction_but_to_fetch_it_is_not(jupyter: Jupyter) -> None:
    before = (await jupyter.look())["last_interaction"]
    await jupyter.call("GET", "lab")
    assert (await jupyter.look())["last_interaction"] == before
    await jupyter.call("GET", "lab", **{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"})
    assert (await jupyter.look())["last_interaction"] != before
