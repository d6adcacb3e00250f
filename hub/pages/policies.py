"""The Settings page: the policy of all users, a group or a user, for administrators. The hub writes none of it: changes
go to the lifecycle app by event, and its answer is shown.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jupyterhub import orm
from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.scopes import Scope
from jupyterhub.user import User
from tornado import web

from hub.audit.event import Outcome as Audited
from hub.audit.record import record
from hub.clients.policy_changes import Answer, Outcome, PolicyChanges
from hub.pages.policy_form import (
    GROUP,
    USER,
    difference,
    lines,
    name_of,
    outlook_as_json,
    past,
    sections,
)
from hub.spawn.machine_types import are_prices_known
from hub.spawn.options import groups_of
from hub.spawn.parts import Parts
from lifecycle_app.contract import CLUSTER_SCOPE, SettingsRefusal, group_scope, user_scope
from lifecycle_app.errors import RecordError
from lifecycle_app.model.outlook import outlook
from lifecycle_app.model.policy import changed, given, read
from lifecycle_app.model.policy_record import PolicyRecord
from lifecycle_app.model.policy_words import DOLLARS

LONGEST_BODY = 20_000
"""Bytes: a policy has less than 2,000."""
UNREADABLE = "The settings cannot be read at the moment. Try again in a minute."
NO_PRICES = "no prices are known for the machines of this region: give hours instead"
MESSAGES: Mapping[str, str] = {
    Outcome.RECORDED: "The change is recorded. It is in effect within a minute.",
    SettingsRefusal.CHANGED: "Nothing was changed: another administrator or operator has changed these settings since"
    " you opened the page. Load the page again to see them.",
    SettingsRefusal.NOT_VALID: "Nothing was changed: {detail}.",
    Outcome.UNCONFIRMED: "There was no answer yet: the change may still be recorded. Load the page again in a minute.",
    Outcome.UNAVAILABLE: "Nothing was changed: settings cannot be changed at the moment. Try again in a minute.",
}


def administers(scopes: Mapping[str, Any]) -> bool:
    """Do these `parsed_scopes` allow to administer all servers? A part of them, as a group's, does not. Pure."""
    return bool(scopes.get("admin:servers") == Scope.ALL)


class _ForAdministrators:
    """Refuses all others; knows the scopes."""

    def initialize(self, parts: Parts, changes: PolicyChanges) -> None:
        """Called by Tornado with the route's keyword arguments."""
        self.parts, self.changes = parts, changes

    async def prepare(self) -> None:
        """Refuses, before a body is parsed, whoever is not an administrator, and what is too long."""
        await super().prepare()  # type: ignore[misc]  # Tornado's, by the other base class
        user = self.current_user  # type: ignore[attr-defined]
        if user is not None and not (isinstance(user, User) and administers(self.parsed_scopes)):  # type: ignore[attr-defined]
            raise web.HTTPError(403, "This page is for administrators.")
        if len(self.request.body) > LONGEST_BODY:  # type: ignore[attr-defined]
            raise web.HTTPError(413, f"The body is longer than {LONGEST_BODY} bytes.")

    def names(self, kind: Any) -> list[str]:
        """The names of all users or groups."""
        return [name for (name,) in self.db.query(kind.name)]  # type: ignore[attr-defined]

    def known(self, scope: str) -> str:
        """The scope. Raises HTTPError 404 for a group or a user that the hub does not know."""
        group = scope.removeprefix(GROUP) if scope.startswith(GROUP) else ""
        user = scope.removeprefix(USER) if scope.startswith(USER) else ""
        found = (group and orm.Group.find(self.db, group)) or (user and orm.User.find(self.db, user))  # type: ignore[attr-defined]
        if scope != CLUSTER_SCOPE and not found:
            raise web.HTTPError(404, "There is no such group or user.")
        return scope

    async def texts(self, *more: str) -> dict[str, str]:
        """The policies that count for the machines there are, and those of these scopes. Raises StoreUnavailable."""
        await self.parts.reader.loaded()
        workers = self.parts.reader.all()
        scopes = {CLUSTER_SCOPE, *more, *(user_scope(worker.user) for worker in workers)}
        scopes |= {group_scope(group) for worker in workers for group in worker.groups}
        return {scope: one.policy for scope, one in (await self.changes.of(scopes)).items() if one.policy}


class SettingsPage(_ForAdministrators, BaseHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """The policy of one scope, the scopes that set something, and who changed what."""

    @web.authenticated
    async def get(self) -> None:
        """Answers HTML. `scope`, or `user` with a name, says whose."""
        user = str(self.get_argument("user", "")).strip()
        asked = user_scope(user) if user else str(self.get_argument("scope", CLUSTER_SCOPE))
        scope = self.known(asked)
        groups = sorted(self.names(orm.Group))
        everyone = [CLUSTER_SCOPE, *map(group_scope, groups), *map(user_scope, self.names(orm.User))]
        try:
            records = await self.changes.of(everyone)
            shown = await self.changes.get(scope)
        except RecordError as error:
            raise web.HTTPError(503, UNREADABLE) from error
        texts = {one.scope: one.policy for one in [*records.values(), shown] if one.policy}
        theirs = groups_of(self.find_user(scope.removeprefix(USER))) if scope.startswith(USER) else ()
        page = await self.render_template(
            "settings.html",
            scope=scope,
            title=name_of(scope),
            groups=groups,
            own=[(one, name_of(one)) for one in sorted(texts) if one != CLUSTER_SCOPE],
            sections=sections(scope, theirs, texts),
            base=shown.version,
            problems=read(shown.policy or "{}").problems,
            past=past({**records, scope: shown}.values()),
            is_recorded=self.get_argument("recorded", "") == "1",
            has_prices=are_prices_known(self.parts.settings.region),
        )
        self.finish(page)


class _WantedPolicy(_ForAdministrators, APIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """A policy that an administrator wants for a scope."""

    def wanted(self) -> tuple[str, dict[str, Any], str]:
        """Scope, policy, and the version that it is based on. Raises HTTPError."""
        if not isinstance(self.current_user, User):
            raise web.HTTPError(403)
        body = self.get_json_body()
        found = [body.get(name) for name in ("scope", "policy", "base")] if isinstance(body, dict) else []
        scope, policy, base = found or [None] * 3
        if not isinstance(scope, str) or not isinstance(policy, dict) or not isinstance(base, str):
            raise web.HTTPError(400, "scope, policy and base are needed.")
        return self.known(scope), policy, base[:100]

    def problem(self, scope: str, text: str, policy: Mapping[str, Any]) -> str:
        """What the policy's own rules do not accept; "" if they accept all."""
        found = difference(text, policy)
        try:
            changed(scope, text, found.changes, found.unset)
        except ValueError as error:
            return str(error)
        if any(found.changes.get(name) is not None for name in DOLLARS) and not are_prices_known(
            self.parts.settings.region
        ):
            return NO_PRICES
        return ""


class SettingsPreview(_WantedPolicy):
    """Says what a change would do. Changes nothing."""

    async def post(self) -> None:
        """For {"scope", "policy", "base"} answers {"problem"}, or {"lines", "now", "then"}: the fields that differ, and
        the outlook without and with the change. 503 while the settings cannot be read.
        """
        scope, policy, base = self.wanted()
        try:
            shown, texts = await self.changes.get(scope), await self.texts(scope)
        except RecordError as error:
            raise web.HTTPError(503, UNREADABLE) from error
        if shown.version != base:
            self.write(json.dumps({"problem": MESSAGES[SettingsRefusal.CHANGED]}))
            return
        problem = self.problem(scope, shown.policy, policy)
        if problem:
            self.write(json.dumps({"problem": f"This cannot be set: {problem}."}))
            return
        now, workers = self.parts.now(), self.parts.reader.all()
        after = {**texts, scope: json.dumps(policy)}
        answer = {
            "lines": [asdict(line) for line in lines(given(shown.policy), policy)],
            "now": outlook_as_json(outlook(workers, texts, now)),
            "then": outlook_as_json(outlook(workers, after, now)),
        }
        self.write(json.dumps(answer))


class SettingsChange(_WantedPolicy):
    """Asks the lifecycle app to record a change."""

    async def post(self) -> None:
        """For {"scope", "policy", "base"} answers {"outcome", "message"} once the settings hold the answer, or after a
        few seconds that there was none.
        """
        scope, policy, base = self.wanted()
        by = self.current_user.name
        try:
            shown = await self.changes.get(scope)
        except RecordError as error:
            raise web.HTTPError(503, UNREADABLE) from error
        answer = self.refused(scope, shown, policy, base)
        if answer is None:
            wanted = difference(shown.policy, policy)
            answer = await self.changes.ask(scope, wanted.changes, wanted.unset, base, by)
        outcome = Audited.REFUSED if answer.outcome is Outcome.REFUSED else Audited.OK
        said = "; ".join(
            f"{one.label}: {one.before} -> {one.after}" for one in lines(given(shown.policy), policy)
        )
        record("settings.change", scope, outcome, f"{answer.outcome} {answer.why}: {said}"[:2000])
        message = MESSAGES[answer.why or answer.outcome].format(detail=answer.detail)
        self.write(json.dumps({"outcome": answer.outcome, "message": message}))

    def refused(self, scope: str, shown: PolicyRecord, policy: Mapping[str, Any], base: str) -> Answer | None:
        """Why the lifecycle app need not be asked; None if it is to decide."""
        if shown.version != base:
            return Answer(Outcome.REFUSED, SettingsRefusal.CHANGED)
        problem = self.problem(scope, shown.policy, policy)
        return Answer(Outcome.REFUSED, SettingsRefusal.NOT_VALID, problem) if problem else None
