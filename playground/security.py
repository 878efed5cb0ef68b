"""Only this page may talk to this server.

By default any other page in the same browser could drive a localhost app: browsers send its requests, and a rebound
host name even lets it read the answers. So: a known `Host`, no foreign `Origin`, no cross-site request other than
opening the page, and no frame around it.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_HOSTS = ("127.0.0.1", "localhost")


def middleware(port: int) -> list[Middleware]:
    """For a server on this machine's `port`."""
    origins = frozenset(f"http://{name}:{port}" for name in LOCAL_HOSTS)
    return [Middleware(TrustedHostMiddleware, allowed_hosts=LOCAL_HOSTS), Middleware(SameOrigin, origins=origins)]


class SameOrigin:
    """Refuse what another origin asks for, and forbid other pages to frame this one."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]):
        self.app, self.origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self.is_own(headers, scope.get("method", "GET")):
            await PlainTextResponse("Refused: this request comes from another page.", 403)(scope, receive, send)
            return

        async def send_unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer["Content-Security-Policy"] = "frame-ancestors 'none'"
                answer["X-Content-Type-Options"] = "nosniff"
                answer["Referrer-Policy"] = "no-referrer"
            await send(message)

        await self.app(scope, receive, send_unframed)

    def is_own(self, headers: Headers, method: str) -> bool:
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins:
            return False
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return (  # a link to the page, opened in a tab of its own
                method == "GET"
                and headers.get("sec-fetch-mode") == "navigate"
                and headers.get("sec-fetch-dest") == "document"
            )
        return True
