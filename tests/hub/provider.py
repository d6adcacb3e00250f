"""What says who a user is: an OAuth provider and a learning platform, over HTTP on loopback."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


YES = "yes"
"""An answer without a body."""


class Provider:
    """Answers each path with JSON; `asked` is what came, in order."""

    def __init__(self, address: str) -> None:
        self.answers: dict[str, Any] = {}
        self.refusals: dict[str, int] = {}
        """The status of paths that are refused."""
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []
        self._server = ThreadingHTTPServer((address, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://{address}:{self._server.server_port}"
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
        self.answers["/jwks"] = {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply({})

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                self._reply({name: values[0] for name, values in parse_qs(sent).items()})

            def _reply(self, form: Mapping[str, str]) -> None:
                path = self.path.partition("?")[0]
                provider.asked.append((path, self.headers.get("Authorization", ""), form))
                answer = provider.answers.get(path)
                body = json.dumps({"message": "Not Found"} if answer is None else answer).encode()
                if answer == YES:
                    self.send_response(204)
                    self.end_headers()
                    return
                self.send_response(provider.refusals.get(path, 404 if answer is None else 200))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler
