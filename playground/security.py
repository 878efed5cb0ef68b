"""Only this page may talk to this server, and over a network only who knows the password.

By default any other page in the same browser could drive a localhost app: browsers send its requests, and a rebound
host name even lets it read the answers. So: a known `Host`, no `Origin` but that host, no cross-site request other than
opening the page, and no frame around it. Every route is behind this, those of Gradio included.
"""

import base64
import ipaddress
import re
import secrets
import socket

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
HOST = re.compile(r"(\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(:\d+)?")  # a Host header
SHORTEST = 8  # characters of a password or token
STARTED = "/gradio_api/startup-events"  # what Gradio asks its own server when it starts; it tells nothing
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def parse_auth(host: str, auth: str | None) -> str | None:
    """The `NAME:PASSWORD` that protects a server at `host`. Raises ValueError if one is needed, or unfit."""
    if auth is None:
        if host in LOCAL_HOSTS:
            return None
        raise ValueError(
            f"--host {host} lets others on the network open the page, and whoever opens it can start and delete "
            "trainings and read the texts of this machine that a training may learn from: give --auth NAME:PASSWORD as "
            "well, or set PLAYGROUND_AUTH, which is not seen in the list of processes"
        )
    name, _, password = auth.partition(":")
    if not name or len(password) < SHORTEST:
        raise ValueError(f"--auth must be NAME:PASSWORD with a password of at least {SHORTEST} characters")
    return auth


def middleware(host: str, auth: str | None = None, keyed: str | None = None) -> list[Middleware]:
    """For a server that listens on the address `host`; what is below the path `keyed` asks for a key of its own."""
    return [Middleware(Guard, is_local=host in LOCAL_HOSTS, auth=auth, keyed=keyed)]


def parse_token(token: str | None) -> str:
    """The token for programs: the one given, or a new one. Raises ValueError if it is too short to be a secret."""
    if token is None:
        return secrets.token_urlsafe(24)
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(f"--api-token must have at least {SHORTEST} letters, digits or signs, and no blanks")
    return token


class Guard:
    """Refuse what another origin asks for or who has no password, and forbid other pages to frame this one."""

    def __init__(self, app: ASGIApp, is_local: bool, auth: str | None, keyed: str | None):
        self.app, self.is_local, self.keyed = app, is_local, keyed
        self.password = None if auth is None else b"Basic " + base64.b64encode(auth.encode())
        self.names = {*LOCAL_HOSTS} if is_local else {*LOCAL_HOSTS, socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif (refusal := self.refusal(Headers(scope=scope), scope.get("method", "GET"), scope["path"])) is not None:
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, with_headers(send))

    def refusal(self, headers: Headers, method: str, path: str) -> Response | None:
        if not self.is_known(headers.get("host", "")):
            return PlainTextResponse("Refused: this is not the address of the playground.", 400)
        if not is_own(headers, method):
            return PlainTextResponse("Refused: this request comes from another page.", 403)
        if self.password is None or path == STARTED or (self.keyed and path.startswith(f"{self.keyed}/")):
            return None
        if secrets.compare_digest(headers.get("authorization", "").encode(), self.password):
            return None
        challenge = {"WWW-Authenticate": 'Basic realm="GPT Playground", charset="UTF-8"'}
        return PlainTextResponse("The playground's name and password are needed.", 401, challenge)

    def is_known(self, host: str) -> bool:
        """Is it a name by which the person reaches this server? A rebound name is another's, and never a number."""
        found = HOST.fullmatch(host)
        name = (found["ipv6"] or found["name"]).lower() if found else ""
        return name in self.names or (
            not self.is_local and (is_address(name) or name.removesuffix(".local") in self.names)
        )


def is_own(headers: Headers, method: str) -> bool:
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{headers.get('host')}":
        return False
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return (  # a link to the page, opened in a tab of its own
            method == "GET"
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )
    return True


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def with_headers(send: Send) -> Send:
    async def send_unframed(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return send_unframed
