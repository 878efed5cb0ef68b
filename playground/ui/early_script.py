"""A script that a browser reads before those of Gradio, which offers no place for one. No gradio."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.ui.scripts import ROUTE

HEAD = b"<head>"
TAG = f'<script src=".{ROUTE}/assets/resting_frames.js"></script>'.encode()


class EarlyScript:
    """Puts the script at the top of the page's head."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        waiting: list[Message] = []  # the response's start, until it is known how long the rest is

        async def send_with_script(message: Message) -> None:
            if message["type"] == "http.response.start":
                waiting.append(message)
                return
            if waiting:
                start = waiting.pop()
                if HEAD in message.get("body", b""):
                    message["body"] = message["body"].replace(HEAD, HEAD + TAG, 1)
                    headers = MutableHeaders(scope=start)
                    if "content-length" in headers:
                        headers["content-length"] = str(int(headers["content-length"]) + len(TAG))
                await send(start)
            await send(message)

        await self.app(scope, receive, send_with_script)
