"""The Machines page: all machines that the viewer's scopes allow, for administrators, and for teachers of a group."""

import csv
import io
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from jupyterhub import orm
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.scopes import Scope
from tornado import web

from hub.pages.overview import Row, choice, rows, view
from hub.pages.texts import Pages, SharedBudget, Summary, summary
from hub.spawn.machine_types import machine_type
from hub.spawn.parts import Parts
from lifecycle_app.contract import CLUSTER_SCOPE, group_scope
from lifecycle_app.model.history import PER_HOUR
from lifecycle_app.model.messages import text
from lifecycle_app.model.worker import split, worker_key
from lifecycle_app.printable import spreadsheet_cell

LONGEST_KEY = 512
COLUMNS = ("user", "server", "state", "since", "last used", "kept until", "type", "zone", "instance", "why")


def oversees(allowed: Any, viewer: str) -> bool:
    """Does this part of `parsed_scopes` allow more than the viewer's own? Pure."""
    if allowed == Scope.ALL:
        return True
    return bool(allowed) and bool(allowed.get("group") or set(allowed.get("user", ())) - {viewer})


def budget_scopes(allowed: Any, groups: Sequence[str]) -> list[str]:
    """Whose shared budgets a viewer sees with this part of `parsed_scopes`: all, or those of the viewer's own groups.
    `groups`: those of the machines that are listed. Pure.
    """
    if allowed == Scope.ALL:
        return [CLUSTER_SCOPE, *map(group_scope, groups)]
    return [group_scope(group) for group in groups if group in allowed.get("group", ())]


class _Overseer(BaseHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """Knows whom the viewer may see. Everything here is read from memory and from the hub's database."""

    def initialize(self, parts: Parts, pages: Pages) -> None:
        """Called by Tornado with the route's keyword arguments."""
        self.parts, self.pages = parts, pages

    @property
    def sees_all(self) -> bool:
        """Is the viewer an administrator, who is shown instance ids and repairs too?"""
        return "admin-ui" in self.parsed_scopes

    def visible(self) -> set[str]:
        """The names of the users whom the viewer may see. Raises HTTPError 403 if these are none but the viewer."""
        allowed = self.parsed_scopes.get("list:users")
        viewer = self.current_user.name
        if not oversees(allowed, viewer):
            raise web.HTTPError(403, "This page is for administrators, and for teachers of a group.")
        return self._users_in(allowed)

    def _users_in(self, allowed: Any) -> set[str]:
        """The names of the users whom this part of `parsed_scopes` allows."""
        if allowed == Scope.ALL:
            return {name for (name,) in self.db.query(orm.User.name)}
        groups = self.db.query(orm.User.name).join(orm.User.groups)
        named = groups.filter(orm.Group.name.in_(allowed.get("group", ())))
        return {name for (name,) in named} | set(allowed.get("user", ()))

    async def all_rows(self) -> list[Row]:
        """A row for each server that the viewer may see."""
        names = self.visible()
        await self.parts.reader.loaded()
        active = {
            (user.name, server)
            for user in self.users.values()
            for server, spawner in user.spawners.items()
            if spawner.active
        }
        return rows(names, self.parts.reader.all(), active)

    def asked(self, name: str) -> str:
        """An argument of the request; "" without it."""
        return str(self.get_argument(name, ""))


class MachinesPage(_Overseer):
    """The page as it is opened."""

    template = "workers.html"

    @web.authenticated
    async def get(self) -> None:
        """Answers HTML, or 304 while it is what the browser has."""
        chosen = choice(self.asked)
        found = view(await self.all_rows(), chosen)
        accessible = self.parsed_scopes.get("access:servers")
        opened_by_viewer = self._users_in(accessible) if accessible else set()
        addresses = addresses_of(found.rows, self.users.values(), opened_by_viewer)
        shown = [(row, self._about(row), addresses.get(row.key, "")) for row in found.rows]
        budgets = await self._budgets(found.groups)
        page = await self.render_template(
            self.template,
            view=found,
            chosen=chosen,
            shown=shown,
            prices=PER_HOUR,
            may_act=self._may_act(),
            budgets=budgets,
        )
        self.finish(page)

    async def _budgets(self, groups: Sequence[str]) -> list[SharedBudget]:
        """Those that the users share whom the viewer may see."""
        return await self.pages.shared_budgets(budget_scopes(self.parsed_scopes.get("list:users"), groups))

    def _about(self, row: Row) -> Summary:
        return summary(row.key, row.worker, [], is_up=row.is_active, for_administrators=self.sees_all)

    def _may_act(self) -> bool:
        return oversees(self.parsed_scopes.get("servers"), self.current_user.name)


class MachinesPart(MachinesPage):
    """What changes of the page, for one that is open. It holds no secret: nginx compresses it."""

    template = "machines_table.html"

    async def _budgets(self, groups: Sequence[str]) -> list[SharedBudget]:  # noqa: ARG002 -- the page's
        """None: an open page asks often, and the settings would be read each time."""
        return []


class MachineHistory(_Overseer):
    """What happened to one machine, with the evidence of each decision, as a part of the page."""

    @web.authenticated
    async def get(self) -> None:
        """Answers HTML, or 404 for a machine that the viewer may not see."""
        key = self.asked("worker")[:LONGEST_KEY]
        user, server = split(key)
        if user not in self.visible():
            raise web.HTTPError(404, "There is no such machine.")
        past = await self.pages.past(user, server, self.parts.now(), for_administrators=self.sees_all)
        self.finish(await self.render_template("machine_history.html", past=past))


class MachinesSheet(_Overseer):
    """What the page's choice finds, on all its pages, for spreadsheets."""

    @web.authenticated
    async def get(self) -> None:
        """Answers CSV with a line of headings."""
        found = view(await self.all_rows(), choice(self.asked), rows_of_a_page=None)
        output = io.StringIO()
        writer = csv.DictWriter(output, COLUMNS, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(line(row, for_administrators=self.sees_all) for row in found.rows)
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="machines.csv"')
        self.finish(output.getvalue())


def addresses_of(found: Iterable[Row], users: Iterable[Any], allowed: Container[str]) -> dict[str, str]:
    """The URLs, by the workers' keys, of what runs and is of users whose servers a viewer is allowed to open. Pure."""
    active = {row.key for row in found if row.is_active and row.user in allowed}
    return {
        key: user.server_url(server)
        for user in users
        for server in user.spawners
        if (key := worker_key(user.name, server)) in active
    }


def line(row: Row, *, for_administrators: bool) -> Mapping[str, str]:
    """A row of the table; times in UTC as ISO 8601. Pure."""
    found = {"user": row.user, "server": row.server, "state": row.state}
    if (worker := row.worker) is not None:
        times = {
            "since": worker.state_at,
            "last used": worker.last_interaction,
            "kept until": worker.keep_until,
        }
        found |= {name: at.isoformat(timespec="seconds") for name, at in times.items() if at}
        found |= {"type": machine_type(worker.instance_type).name}
        if for_administrators:
            found |= {"zone": worker.zone, "instance": worker.instance_id, "why": text(worker.message)}
    return {name: spreadsheet_cell(value) for name, value in found.items()}
