"""The machines as a process: each listens at its own address once its instance runs and its server has started.

Like a real one it proves its identity, fetches its environment, checks the hub's version, reports its activity, and
logs its user in by OAuth.
"""

import asyncio
import json
import random
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import web
from botocore.credentials import ReadOnlyCredentials

from benchmarks.storm import settings
from benchmarks.storm.settings import HUB_NAME, Storm
from bootstrap.worker.environment import signed_proof

PORT = 8888
VERSION = {"X-JupyterHub-Version": "6.1.1"}
AGAIN_AFTER = 1.0


@dataclass
class Machine:
    """One that runs."""

    instance_id: str
    address: str
    user: str
    environment: dict[str, str] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    states: set[str] = field(default_factory=set)

    @property
    def prefix(self) -> str:
        return self.environment.get("JUPYTERHUB_SERVICE_PREFIX") or f"/user/{self.user}/"

    @property
    def cookie(self) -> str:
        return f"session-{self.user}"


class Machines:
    """All machines of the account."""

    def __init__(self, storm: Storm) -> None:
        self._storm = storm
        self._by_address: dict[str, Machine] = {}
        self._sites: dict[str, web.TCPSite] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Follows the account's state changes; never returns."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        forever = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(timeout=forever) as http,
            http.get(self._storm.aws + "/_storm/follow") as body,
        ):
            async for line in body.content:
                self._take(json.loads(line), runner)

    def _take(self, change: dict[str, Any], runner: web.AppRunner) -> None:
        if change["state"] == "running":
            machine = Machine(change["instance"], change["address"], change["user"])
            work = self._serve(machine, runner) if self._storm.running else self._boot(machine, runner)
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _boot(self, machine: Machine, runner: web.AppRunner) -> None:
        async with _client(machine) as http:
            while not machine.environment:
                async with http.post(
                    self._storm.hub_api + "/cloudjhub/environment", json=self._proof(machine.instance_id)
                ) as answer:
                    if answer.status == 200:
                        machine.environment = (await answer.json(content_type=None))["env"]
                    else:
                        await asyncio.sleep(AGAIN_AFTER)
        await asyncio.sleep(server_time(self._storm, machine.user))
        await self._serve(machine, runner)
        async with _client(machine) as http:
            await self._greet(machine, http)

    async def _serve(self, machine: Machine, runner: web.AppRunner) -> None:
        self._by_address[machine.address] = machine
        await web.TCPSite(runner, machine.address, PORT).start()

    async def _greet(self, machine: Machine, http: aiohttp.ClientSession) -> None:
        """What jupyterhub-singleuser does when it has started."""
        async with http.get(machine.environment["JUPYTERHUB_API_URL"]) as answer:
            answer.raise_for_status()
        active = {"last_activity": "2026-01-01T00:00:00.000000Z"}
        body = {"servers": {"": active}, **active}
        url, headers = machine.environment["JUPYTERHUB_ACTIVITY_URL"], _authorized(_token(machine))
        async with http.post(url, json=body, headers=headers) as answer:
            answer.raise_for_status()

    def _proof(self, instance_id: str) -> dict[str, Any]:
        credentials = ReadOnlyCredentials(instance_id, f"secret of {instance_id}", "token")
        return signed_proof(credentials, sts_url=self._storm.aws + "/", region="us-east-1", hub_name=HUB_NAME)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Its server."""
        assert request.transport is not None
        machine = self._by_address[request.transport.get_extra_info("sockname")[0]]
        path = request.path.removeprefix(machine.prefix)
        if path == "api":
            return web.json_response({"version": "2.0"}, headers=VERSION)
        if path == "oauth_callback":
            return await self._let_in(machine, request)
        if path == "lab":
            if request.cookies.get(machine.cookie) in machine.sessions:
                return web.Response(text="JupyterLab", headers=VERSION)
            return _to_hub(machine)
        raise web.HTTPNotFound

    async def _let_in(self, machine: Machine, request: web.Request) -> web.Response:
        if request.query["state"] not in machine.states:
            raise web.HTTPForbidden
        body = {
            "client_id": machine.environment["JUPYTERHUB_CLIENT_ID"],
            "client_secret": _token(machine),
            "grant_type": "authorization_code",
            "code": request.query["code"],
            "redirect_uri": machine.environment["JUPYTERHUB_OAUTH_CALLBACK_URL"],
        }
        async with _client(machine) as http:
            async with http.post(self._storm.hub_api + "/oauth2/token", data=body) as answer:
                answer.raise_for_status()
                token = (await answer.json())["access_token"]
            async with http.get(self._storm.hub_api + "/user", headers=_authorized(token)) as answer:
                answer.raise_for_status()
                if (await answer.json())["name"] != machine.user:
                    raise web.HTTPForbidden
        response = web.Response(status=302, headers={**VERSION, "Location": machine.prefix + "lab"})
        session = secrets.token_hex(8)
        machine.sessions.add(session)
        response.set_cookie(machine.cookie, session, path=machine.prefix)
        return response


def server_time(storm: Storm, user: str) -> float:
    """Seconds that this user's server takes to start; the same in every process."""
    return random.Random(f"{storm.seed} {user}").uniform(*storm.server)  # noqa: S311 -- not a secret


def _client(machine: Machine) -> aiohttp.ClientSession:
    """Connects from the machine's own address, by which the hub tells those apart that fail too often."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(machine.address, 0)))


def _to_hub(machine: Machine) -> web.Response:
    state = secrets.token_hex(8)
    machine.states.add(state)
    asked = {
        "client_id": machine.environment["JUPYTERHUB_CLIENT_ID"],
        "redirect_uri": machine.environment["JUPYTERHUB_OAUTH_CALLBACK_URL"],
        "response_type": "code",
        "state": state,
    }
    public = urlsplit(machine.environment.get("JUPYTERHUB_PUBLIC_HUB_URL", "")).path or "/hub/"
    return web.Response(status=302, headers={"Location": f"{public}api/oauth2/authorize?{urlencode(asked)}"})


def _token(machine: Machine) -> str:
    return machine.environment["JUPYTERHUB_API_TOKEN"]


def _authorized(token: str) -> dict[str, str]:
    return {"Authorization": f"token {token}"}


def main() -> None:
    """Runs the machines until terminated."""
    storm, _ = settings.read(Path(sys.argv[1]))
    asyncio.run(Machines(storm).run())


if __name__ == "__main__":
    main()
