"""AWS's query protocols by botocore's own models: a form becomes boto3's arguments, boto3's answer becomes XML."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session
from botocore.model import ServiceModel

REQUEST_ID = "00000000-0000-4000-8000-000000000000"


@cache
def model(service: str) -> ServiceModel:
    """botocore's model of a service."""
    return botocore.session.get_session().get_service_model(service)


def arguments(service: str, action: str, form: str) -> dict[str, Any]:
    """What boto3's method was called with."""
    shape = model(service).operation_model(action).input_shape
    return _structure(shape, _nested(dict(parse_qsl(form, keep_blank_values=True))))


def answer(service: str, action: str, values: Mapping[str, Any]) -> str:
    """The XML of what boto3's method is to give."""
    shape = model(service).operation_model(action).output_shape
    space = model(service).metadata.get("xmlNamespace", "")
    body = _members(shape, values)
    if service != "ec2":
        body = f"<{action}Result>{body}</{action}Result>"
    return f'<{action}Response xmlns="{space}">{body}<requestId>{REQUEST_ID}</requestId></{action}Response>'


def refusal(code: str, message: str) -> str:
    """The XML of an error of EC2's."""
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    return f"<Response><Errors>{error}</Errors><RequestID>{REQUEST_ID}</RequestID></Response>"


def _nested(form: Mapping[str, str]) -> dict[str, Any]:
    """`A.1.B=c` as {"A": {"1": {"B": "c"}}}."""
    tree: dict[str, Any] = {}
    for name, value in form.items():
        *path, last = name.split(".")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value
    return tree


def _structure(shape: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    named = {_query_name(name, member): (name, member) for name, member in shape.members.items()}
    return {named[key][0]: _value(named[key][1], value) for key, value in values.items() if key in named}


def _query_name(name: str, member: Any) -> str:
    given = member.serialization
    found: str = given.get("queryName") or given.get("name") or name
    return found[0].upper() + found[1:]


def _value(shape: Any, values: Any) -> Any:
    match shape.type_name:
        case "structure":
            return _structure(shape, values)
        case "list":
            return [_value(shape.member, values[key]) for key in sorted(values, key=int)]
        case "integer" | "long":
            return int(values)
        case "boolean":
            return values == "true"
        case _:
            return values


def _members(shape: Any, values: Mapping[str, Any]) -> str:
    return "".join(
        _element(shape.members[name].serialization.get("name", name), shape.members[name], value)
        for name, value in values.items()
        if name in shape.members
    )


def _element(tag: str, shape: Any, value: Any) -> str:
    if shape.type_name == "structure":
        inner = _members(shape, value)
    elif shape.type_name == "list":
        item = shape.member.serialization["name"]
        inner = "".join(_element(item, shape.member, one) for one in value)
    elif isinstance(value, datetime):
        inner = f"{value:%Y-%m-%dT%H:%M:%S}.000Z"
    else:
        inner = escape(str(value).lower() if isinstance(value, bool) else str(value))
    return f"<{tag}>{inner}</{tag}>"
