"""Bounds of what users can have JupyterHub keep in its database: SQLite ignores the lengths that its columns name."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from jupyterhub import orm
from jupyterhub.apihandlers.users import UserTokenListAPIHandler
from sqlalchemy import String, event
from tornado import web

from hub.config.settings import Settings
from hub.spawn import tokens
from hub.spawn.options import chosen_in

LONGEST_TEXT = 255
"""Characters of a token's note, and of the name under which a server is shown."""
LONGEST_SCOPES = 4096
"""Characters of a token's scopes, as JSON: all that a user may do has a thousand."""
LONGEST_EXPIRY = 10 * 365 * 24 * 3600
"""Seconds: of much later years there are no dates."""
LONGEST_COLUMN = 2047
"""Characters of any text in the database: JupyterHub's own are shorter."""


class TokensHandler(UserTokenListAPIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """JupyterHub's own, but refuses what no token of its page has: each user may have a thousand."""

    async def post(self, user_name: str) -> None:
        """Makes a token."""
        body = self.get_json_body()
        problem = token_problem(body) if isinstance(body, dict) else None
        if problem:
            raise web.HTTPError(400, problem)
        await super().post(user_name)


def token_problem(wanted: Mapping[str, Any]) -> str | None:
    """Why a token like this is not made, for its user; None if JupyterHub may make it. Pure."""
    note, expires = wanted.get("note"), wanted.get("expires_in")
    if note is not None and (problem := text_problem("note", note)):
        return problem
    if str(note).startswith(tokens.NOTE):
        return f"Notes that begin with {tokens.NOTE!r} are for the tokens of servers. Use another note."
    if len(json.dumps([wanted.get("scopes"), wanted.get("roles")])) > LONGEST_SCOPES:
        return f"The scopes have more than {LONGEST_SCOPES} characters. Use fewer ones."
    if isinstance(expires, int) and not 0 <= expires <= LONGEST_EXPIRY:
        return f"expires_in is not a number of seconds up to {LONGEST_EXPIRY}. Use a smaller one."
    return None


def server_problem(sent: Mapping[str, Any], settings: Settings, groups: Collection[str]) -> str | None:
    """Why a server's options or its name for people are refused, for its user, who is in these groups; None if they are
    accepted. Pure.
    """
    shown, options = sent.get("display_name"), sent.get("user_options") or {}
    if shown is not None and (problem := text_problem("display_name", shown)):
        return problem
    if not isinstance(options, dict):
        return "user_options is not an object."
    try:
        chosen_in(options, settings, groups)
    except ValueError as error:
        return str(error)
    return None


def text_problem(field: str, value: object) -> str | None:
    """Why a text is not kept, for its user; None if it is. Pure."""
    if not isinstance(value, str):
        return f"{field} is not a text."
    if len(value) > LONGEST_TEXT:
        return f"{field} has {len(value)} characters. Use at most {LONGEST_TEXT}."
    if not value.isprintable():
        return f"{field} has a line break, or another character that cannot be printed. Remove it."
    return None


def bound_columns() -> None:
    """From now on no object of JupyterHub's takes a text that is longer, wherever it comes from: cookies and parameters
    of OAuth too are kept.
    """
    for mapper in orm.Base.registry.mappers:
        for column in mapper.column_attrs:
            if isinstance(column.columns[0].type, String):
                event.listen(getattr(mapper.class_, column.key), "set", _refuse_long)


def _refuse_long(_target: object, value: object, _before: object, attribute: Any) -> None:
    if isinstance(value, str) and len(value) > LONGEST_COLUMN:
        raise web.HTTPError(400, f"{attribute.key} has more than {LONGEST_COLUMN} characters.")
