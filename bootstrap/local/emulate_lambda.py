"""Runs ministack with seven changes, so that it behaves as the AWS that the product relies on:

- every request must be signed. ministack accepts any credentials; the cloud process, which knows the keys, checks each
  request. Web pages (`Origin`) and other names than the address itself (`Host`) are refused, as on the cloud;
- an event keeps the time that its sender gave it. ministack replaces it by the time of arrival, which makes late
  events look new: handlers that order events by their own time would not be tested;
- an event that a rule's function fails on is retried, and ends in the dead-letter queue. ministack does so only for
  direct invocations;
- a function logs only into an existing group. Our functions may not create one, so that a removed group stays removed;
- a log group has the KMS key that it was given. ministack forgets it;
- a function has an access key of its own, by which the cloud knows who calls. ministack gives all of them the account's
  number;
- Lambda and SQS report to CloudWatch what functions did and what waits in queues. CloudWatch is the cloud process here.

A script that ministack's own Python runs: our packages are not installed there.
"""

import asyncio
import base64
import hmac
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import urllib3
from ministack import app  # type: ignore[import-not-found]  # lives in an environment of its own
from ministack.core import lambda_runtime  # type: ignore[import-not-found]
from ministack.services import cloudwatch_logs, eventbridge, lambda_svc, sqs  # type: ignore[import-not-found]

SEND_EVERY, SEND_WITHIN = 1.0, 5.0
MOST_WAITING, AT_ONCE = 10_000, 500
LARGEST_BODY = 64 * 1024 * 1024
CONNECTIONS = 32


class Cloud:
    """The control API of the cloud process. Raises urllib3's errors."""

    def __init__(self, endpoint: str, secret: str) -> None:
        self._url, self.authorization = f"{endpoint}/_cloud", f"Bearer {secret}"
        self._http = urllib3.PoolManager(timeout=SEND_WITHIN, retries=False, maxsize=CONNECTIONS)

    def post(self, name: str, content: object) -> urllib3.BaseHTTPResponse:
        """The answer of one of its endpoints to a JSON body."""
        headers = {"Authorization": self.authorization, "Content-Type": "application/json"}
        return self._http.request("POST", f"{self._url}/{name}", body=json.dumps(content), headers=headers)


class SignedOnly:
    """An ASGI application that answers signed requests only; its own pages need the operator's secret."""

    def __init__(self, application: Any, cloud: Cloud, host: str) -> None:
        self._application, self._cloud, self._host = application, cloud, host
        # Threads of its own: in the shared ones functions run, which send requests themselves.
        self._threads = ThreadPoolExecutor(CONNECTIONS)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            body = await read_body(scope, receive)
            run = asyncio.get_running_loop().run_in_executor
            status, content_type, text = await run(self._threads, self._refusal, scope, body)
            if body is not None and status == HTTPStatus.OK:
                await self._application(scope, replayed(body, receive), send)
            else:
                headers = [(b"content-type", content_type.encode())]
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": text})

    def _refusal(self, scope: dict[str, Any], body: bytes | None) -> tuple[int, str, bytes]:
        """The status, content type and text to refuse the request with; status 200 for one that may pass."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if "origin" in headers or headers.get("host") != self._host:
            return HTTPStatus.FORBIDDEN, "text/plain", b"refused: this address serves programs, not web pages"
        if body is None:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "text/plain", b"refused: the body is too large"
        if scope["path"].startswith("/_ministack/"):
            is_operator = hmac.compare_digest(headers.get("authorization", ""), self._cloud.authorization)
            return (HTTPStatus.OK if is_operator else HTTPStatus.FORBIDDEN), "text/plain", b"not the operator"
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += f"?{scope['query_string'].decode('latin-1')}"
        signed = {"method": scope["method"], "target": target, "headers": headers}
        try:
            answer = self._cloud.post("signature", {**signed, "body": base64.b64encode(body).decode()})
        except urllib3.exceptions.HTTPError:
            return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"the cloud process does not answer"
        return answer.status, answer.headers.get("Content-Type", "text/plain"), answer.data


async def read_body(scope: dict[str, Any], receive: Any) -> bytes | None:
    """The request's body; None for one above the limit."""
    if int(dict(scope["headers"]).get(b"content-length", 0)) > LARGEST_BODY:
        return None
    body = b""
    while len(body) <= LARGEST_BODY:
        message: dict[str, Any] = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body
    return None


def replayed(body: bytes, receive: Any) -> Any:
    """A `receive` that gives the body once more, and then what the client sends."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Any:
        return waiting.pop() if waiting else await receive()

    return receive_again


class TimedSource(str):
    """An event's source, which carries the event's time through ministack's own code."""

    __slots__ = ("at",)
    at: int


def keep_times() -> None:
    """Patch ministack's PutEvents and its delivery."""
    put_events, dispatch = eventbridge._put_events, eventbridge._dispatch_event

    def put_timed_events(data: dict[str, Any]) -> Any:
        for entry in data.get("Entries", []):
            if "Time" in entry:
                source = TimedSource(entry.get("Source", ""))
                source.at = int(entry["Time"])
                entry["Source"] = source
        return put_events(data)

    def dispatch_timed(event: dict[str, Any], view: Any = None) -> Any:
        if isinstance(event.get("Source"), TimedSource):
            event["Time"] = event["Source"].at
            view = None  # made from the time of arrival
        return dispatch(event, view)

    eventbridge._put_events = put_timed_events
    eventbridge._dispatch_event = dispatch_timed


def try_again() -> None:
    """Patch ministack's delivery of a rule's event to a function: asynchronous, as EventBridge invokes it."""

    def dispatch_to_lambda(arn: str, payload: str) -> None:
        function, config, name = lambda_svc._get_func_record_for_ref(arn)
        if not function or not config:
            print(f"a rule's target is not a function: {name}", file=sys.stderr)
            return
        record = lambda_svc._execution_record_for_config(function, config)
        lambda_svc.invoke_async_with_retry(record, json.loads(payload))

    eventbridge._dispatch_to_lambda = dispatch_to_lambda


def log_into_existing_groups() -> None:
    """Patch ministack's logging of functions."""
    emit = lambda_svc._emit_lambda_logs

    def emit_into_group(function: dict[str, Any], *rest: Any, **named: Any) -> None:
        config = function.get("config") or function
        if f"/aws/lambda/{config['FunctionName']}" in cloudwatch_logs._log_groups:
            emit(function, *rest, **named)

    lambda_svc._emit_lambda_logs = emit_into_group


def keep_log_keys() -> None:
    """Patch ministack's calls about log groups: it neither keeps nor shows the key of one."""
    create, describe = cloudwatch_logs._create_log_group, cloudwatch_logs._describe_log_groups
    handle = cloudwatch_logs.handle_request
    groups = cloudwatch_logs._log_groups

    def create_with_key(data: dict[str, Any]) -> Any:
        answer = create(data)
        if answer[0] == HTTPStatus.OK and data.get("kmsKeyId"):
            groups[data["logGroupName"]]["kmsKeyId"] = data["kmsKeyId"]
        return answer

    def describe_with_keys(data: dict[str, Any]) -> Any:
        status, headers, body = describe(data)
        found = json.loads(body)
        for one in found.get("logGroups", []):
            if key := groups[one["logGroupName"]].get("kmsKeyId"):
                one["kmsKeyId"] = key
        return status, headers, json.dumps(found).encode()

    async def handle_keys_too(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        data = json.loads(body) if action in ("AssociateKmsKey", "DisassociateKmsKey") else {}
        if data.get("logGroupName") not in groups:
            return await handle(method, path, headers, body, query)
        groups[data["logGroupName"]]["kmsKeyId"] = data.get("kmsKeyId")
        return HTTPStatus.OK.value, {"Content-Type": "application/x-amz-json-1.1"}, b"{}"

    cloudwatch_logs._create_log_group = create_with_key
    cloudwatch_logs._describe_log_groups = describe_with_keys
    cloudwatch_logs.handle_request = handle_keys_too


@dataclass(slots=True)
class Metrics:
    """Datapoints on their way to the cloud process; kept while it does not answer."""

    cloud: Cloud
    _waiting: deque[dict[str, Any]] = field(init=False, default_factory=lambda: deque(maxlen=MOST_WAITING))

    def put(self, namespace: str, name: str, dimension: tuple[str, str], value: float, unit: str) -> None:
        """A datapoint of this moment."""
        datum = {"namespace": namespace, "name": name, "value": value, "unit": unit, "at": time.time()}
        self._waiting.append({**datum, "dimensions": [dimension]})

    def run(self) -> None:
        """Send what waits, once a second."""
        while True:
            time.sleep(SEND_EVERY)
            while self._waiting and self._send():
                pass

    def _send(self) -> bool:
        some = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
        try:
            answer = self.cloud.post("metrics", some)
        except urllib3.exceptions.HTTPError:
            self._waiting.extendleft(reversed(some))
            return False
        if answer.status != HTTPStatus.OK:
            print(f"the cloud refuses metrics: {answer.data!r}", file=sys.stderr)
        return True


class OwnKeys:
    """The module `subprocess`, but for the key that a function's process finds in its environment."""

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, *arguments: Any, **more: Any) -> Any:  # noqa: N802 -- subprocess's name
        """`subprocess.Popen`, with the function's own access key."""
        variables = more.get("env") or {}
        if name := variables.get("AWS_LAMBDA_FUNCTION_NAME"):
            key = f"function.{name}"
            # As the cloud process derives it: the operator's own secret opens the control API.
            secret = hmac.new(variables["AWS_SECRET_ACCESS_KEY"].encode(), key.encode(), "sha256").hexdigest()
            more["env"] = {**variables, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        return subprocess.Popen(*arguments, **more)


def give_keys() -> None:
    """Patch ministack's start of functions: each signs as itself."""
    lambda_runtime.subprocess = OwnKeys()


def measure_functions(metrics: Metrics) -> None:
    """Patch ministack's execution: each execution counts, however it was invoked."""
    execute = lambda_svc._execute_function

    def execute_measured(function: dict[str, Any], event: dict[str, Any]) -> Any:
        config = function.get("config") or function
        if lambda_svc._function_config_scope_mismatch(config):
            return execute(function, event)  # comes back here in the function's own account and region
        started = time.monotonic()
        result = execute(function, event)
        took = (time.monotonic() - started) * 1000
        of = ("FunctionName", str(config["FunctionName"]))
        is_throttled = bool(result.get("throttle"))
        metrics.put("AWS/Lambda", "Throttles", of, float(is_throttled), "Count")
        if not is_throttled:
            metrics.put("AWS/Lambda", "Invocations", of, 1.0, "Count")
            metrics.put("AWS/Lambda", "Errors", of, float(bool(result.get("error"))), "Count")
            metrics.put("AWS/Lambda", "Duration", of, took, "Milliseconds")
        return result

    lambda_svc._execute_function = execute_measured


def measure_queues(metrics: Metrics, period: float) -> None:
    """Report periodically how many messages could be received from each queue."""
    while True:
        now = time.time()
        for queue in list(sqs._queues._data.values()):
            visible = sum(message["visible_at"] <= now for message in list(queue["messages"]))
            of = ("QueueName", str(queue["name"]))
            metrics.put("AWS/SQS", "ApproximateNumberOfMessagesVisible", of, float(visible), "Count")
        time.sleep(period)


def main() -> None:
    """Change ministack and serve until SIGTERM."""
    keep_times()
    try_again()
    log_into_existing_groups()
    keep_log_keys()
    give_keys()
    cloud = Cloud(os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_SECRET_ACCESS_KEY"])
    app.app = SignedOnly(app.app, cloud, f"{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}")
    metrics = Metrics(cloud)
    measure_functions(metrics)
    period = float(os.environ["CLOUDJHUB_LOCAL_METRICS_PERIOD"])
    threading.Thread(target=metrics.run, daemon=True).start()
    threading.Thread(target=measure_queues, args=(metrics, period), daemon=True).start()
    app.main()


if __name__ == "__main__":
    main()
