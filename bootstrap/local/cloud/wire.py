"""AWS's wire protocols: which call a request is, its parameters, and answers in the caller's protocol.

The models are botocore's, read by moto's own parsers and serializers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.serialize import XFormedAttributePicker, get_serializer_class
from moto.core.utils import get_service_model
from werkzeug import Request, Response

from bootstrap.local.cloud.errors import AwsError

SERVICE_OF_SCOPE = {"monitoring": "cloudwatch", "servicequotas": "service-quotas"}
"""Where a service signs under another name than botocore's."""

REST_SERVICES = ("route53", "dlm", "lambda")
"""Those, beside S3, whose calls are told by method and path."""

SCOPE = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<headers>[^,]+),\s*Signature=(?P<signature>[0-9a-f]+)"
)
ERROR_CODE = re.compile(rb"<Code>([^<]*)</Code>|\"__type\":\s*\"(?:[^\"#]*#)?([^\"]*)\"")


@dataclass(frozen=True, slots=True)
class Authorization:
    """What the Authorization header says."""

    key: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class Call:
    """An AWS call. `form` holds the parameters of the query protocols."""

    request: Request
    service: str
    action: str
    form: Mapping[str, str]
    authorization: Authorization | None
    principal: str = "anonymous"


def read_call(request: Request) -> Call:
    """The call that the request makes, as headers and body show it."""
    authorization = read_authorization(request.headers.get("authorization", ""))
    request.get_data()  # kept: reading the form would use it up
    form = request.form.to_dict()
    target = request.headers.get("x-amz-target", "")
    action = form.get("Action") or target.rpartition(".")[2]
    scope = authorization.service if authorization else "unknown"
    service = SERVICE_OF_SCOPE.get(scope, scope)
    return Call(request, service, action or _rest_action(request, service), form, authorization)


def read_authorization(header: str) -> Authorization | None:
    """What an Authorization header says; None if it is not one of signature version 4."""
    match = SCOPE.match(header)
    if match is None:
        return None
    return Authorization(
        key=match["key"],
        day=match["day"],
        region=match["region"],
        service=match["service"],
        signed_headers=tuple(match["headers"].split(";")),
        signature=match["signature"],
    )


def parameters(call: Call) -> dict[str, Any]:
    """The call's parameters by botocore's names and types."""
    parser = PROTOCOL_PARSERS[_protocol(call)](_operation(call), map_type=dict)
    parsed: dict[str, Any] = parser.parse(
        {
            "method": call.request.method,
            "values": dict(call.form),
            "headers": call.request.headers,
            "body": call.request.get_data(),
            "url_path": call.request.path,
            "url_params": _path(call.request, call.service)[1],
        }
    )
    return parsed


def answer(call: Call, result: object, transformers: Mapping[str, Any] | None = None) -> Response:
    """The result in the caller's protocol; `result` is a dict or a moto object."""
    picker = XFormedAttributePicker(response_transformers=transformers or {})
    return _serialize(call, result, _operation(call), picker)


def refuse(call: Call, error: AwsError) -> Response:
    """The error in the caller's protocol, with its own HTTP status."""
    try:
        operation = _operation(call)
    except Exception:
        return _plain_refusal(error)
    response = _serialize(call, error, operation, None)
    response.status_code = error.status
    return response


def error_code(response: Response) -> str | None:
    """AWS's error code in an answer, None for a success."""
    if response.status_code < 400:
        return None
    match = ERROR_CODE.search(response.get_data()[:4096])
    return (match[1] or match[2]).decode() if match else str(response.status_code)


def _serialize(call: Call, result: object, operation: Any, picker: Any) -> Response:
    serializer = get_serializer_class(call.service, _protocol(call))(
        operation_model=operation, value_picker=picker
    )
    done = serializer.serialize(result)
    return Response(done["body"], int(done["status_code"]), done["headers"])


def _operation(call: Call) -> Any:
    model = get_service_model(call.service)
    if call.action in model.operation_names:
        return model.operation_model(call.action)
    return OperationModel({}, model)


def _protocol(call: Call) -> str:
    protocol: str = determine_request_protocol(
        get_service_model(call.service), call.request.headers.get("content-type", "").partition(";")[0]
    )
    return protocol


def _plain_refusal(error: AwsError) -> Response:
    body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{error.code}</Code></Error></ErrorResponse>"
    return Response(body, error.status, mimetype="text/xml")


def _rest_action(request: Request, service: str) -> str:
    """By the path, where the service's model says it. S3 names no action; the method and whether there is a key are
    enough for a log.
    """
    if service in REST_SERVICES:
        return _path(request, service)[0]
    has_key = "/" in request.path.strip("/")
    return f"{request.method.capitalize()}{'Object' if has_key else 'Bucket'}"


def _path(request: Request, service: str) -> tuple[str, dict[str, str]]:
    """The action that method and path stand for, with the parameters in the path; "" and none for a service that does
    not use them.
    """
    for action, method, pattern in _rest_paths(service) if service in REST_SERVICES else ():
        if method == request.method and (match := pattern.fullmatch(request.path)):
            return action, match.groupdict()
    return "", {}


@cache
def _rest_paths(service: str) -> list[tuple[str, str, "re.Pattern[str]"]]:
    """Action, method and path of each call."""
    model = get_service_model(service)
    operations = [model.operation_model(name) for name in model.operation_names]
    return [
        (
            one.name,
            one.http["method"],
            re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", one.http["requestUri"])),
        )
        for one in operations
    ]
