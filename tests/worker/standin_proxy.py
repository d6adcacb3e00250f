"""A Jupyter Server extension with handlers of the form of jupyter-server-proxy's, which answer by themselves."""

from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.web import authenticated
from tornado.websocket import WebSocketHandler


class StandIn(WebSocketHandler, JupyterHandler):  # type: ignore[misc]  # publishes no types
    """Answers requests, and echoes what comes over sockets."""

    def check_xsrf_cookie(self) -> None:
        """Requests come with a token."""

    @authenticated
    async def get(self, port: str, path: str) -> None:  # type: ignore[override]  # by its decorator
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await super().get(port, path)
        else:
            self.finish_ok()

    @authenticated
    def post(self, port: str, path: str) -> None:
        self.finish_ok()

    def finish_ok(self) -> None:
        # A WebSocketHandler refuses the methods of a response; jupyter-server-proxy undoes that in the same way.
        JupyterHandler.set_status(self, 200)
        JupyterHandler.finish(self, "ok")

    def on_message(self, message: Any) -> None:
        self.write_message(message)


StandIn.__module__ = "jupyter_server_proxy.handlers"


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    serverapp.web_app.add_handlers(".*$", [(serverapp.base_url + r"proxy/(\d+)/(.*)", StandIn)])
