"""A slow hub that releases every server: `python -m benchmarks.bench.slow_hub 1.0` prints its port."""

import asyncio
import json
import sys
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler


class Drain(RequestHandler):
    """The drain handler's answer, after `seconds`; other requests are answered meanwhile."""

    def initialize(self, seconds: float) -> None:
        self._seconds = seconds

    async def post(self) -> None:
        asked: dict[str, Any] = json.loads(self.request.body)
        await asyncio.sleep(self._seconds)
        about = {name: asked[name] for name in ("worker", "instance_id")}
        self.finish({**about, "drained": True, "reason": "nothing has happened since", "evidence": {}})


async def main() -> None:
    """Serves until terminated; prints the port first."""
    routes = [("/hub/api/cloudjhub/drain", Drain, {"seconds": float(sys.argv[1])})]
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(Application(routes)).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
