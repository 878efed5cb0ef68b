"""The routes below /v1: who may use them, and one answer after the other.

One is written at a time, and those who come meanwhile wait in turn: the cores are the page's, too. Who hangs up is
noticed at the next token, and nothing more is written for them.
"""

import asyncio
import contextlib
import json
import secrets
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core.conversation import generate_reply
from core.generate import Model, TextStep, stream_text
from core.stages.registry import answers
from core.tokenizer import Tokenizer
from playground.openai_api.errors import ApiError, api_error
from playground.openai_api.pieces import Piece, pieces
from playground.openai_api.requests import Request, parse_chat, parse_completion
from playground.openai_api.responses import Shape, usage
from playground.services.background_task import start_thread
from playground.services.checkpoints import Checkpoints

PREFIX = "/v1"
MOST_WAITING = 32  # requests; more would only wait longer than their clients do
MOST_BYTES = 4 * 2**20  # of a request

Endpoint = Callable[[HttpRequest], Awaitable[Response]]
Written = tuple[int, Piece]  # number of the answer, a piece of it


def route(checkpoints: Checkpoints, token: str) -> Mount:
    """The server, for those who send `token` as OpenAI's clients send their key."""
    return Mount(PREFIX, Bearer(Server(checkpoints).app(), token))


class Bearer:
    """Refuse who has no token."""

    def __init__(self, app: ASGIApp, token: str):
        self.app, self.expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("authorization", "").encode()
        if secrets.compare_digest(given, self.expected):
            await self.app(scope, receive, send)
        else:
            sentence = "wrong or missing API key: the playground says its token when it starts"
            await ApiError(sentence, "invalid_api_key", status=401).response()(scope, receive, send)


@dataclass(frozen=True)
class Plan:
    """A request that can be answered: who writes, and what was read of each prompt."""

    request: Request
    shape: Shape
    model: Model
    tokenizer: Tokenizer
    answers: bool  # was the model taught to?
    prompts: list[list[int]]

    def steps(self, index: int) -> Iterator[TextStep]:
        """The answer number `index`, token by token."""
        request, n_alternatives = self.request, self.request.n_logprobs or 1
        sampling = replace(request.sampling, seed=request.sampling.seed + index)
        if request.is_chat:
            conversation = request.conversation(self.answers)
            return generate_reply(self.model, self.tokenizer, conversation, sampling, n_alternatives=n_alternatives)
        return stream_text(self.model, self.tokenizer, self.prompts[index], sampling, n_alternatives=n_alternatives)

    def pieces(self) -> Iterator[Written]:
        """One answer after the other."""
        for index in range(len(self.prompts)):
            for piece in pieces(self.steps(index), self.request.stops, self.request.sampling.max_new_tokens):
                yield index, piece

    def usage(self, written: int) -> dict[str, int]:
        return usage(sum(map(len, self.prompts)), written)


class Server:
    def __init__(self, checkpoints: Checkpoints):
        self.checkpoints = checkpoints
        self.turn = asyncio.Lock()  # of whom an answer is written; first come, first served
        self.waiting = 0

    def app(self) -> Starlette:
        routes = [
            Route("/models", answered(self.models)),
            Route("/models/{name}", answered(self.one_model)),
            Route("/completions", answered(self.completions), methods=["POST"]),
            Route("/chat/completions", answered(self.chat_completions), methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: no_such_route})

    async def models(self, _: HttpRequest) -> Response:
        names = await run_in_threadpool(self.checkpoints.names)
        return JSONResponse({"object": "list", "data": [self.describe(name) for name in names]})

    async def one_model(self, http: HttpRequest) -> Response:
        return JSONResponse(self.describe(self.known(http.path_params["name"])))

    async def completions(self, http: HttpRequest) -> Response:
        return await self.respond(http, parse_completion(await body_of(http)))

    async def chat_completions(self, http: HttpRequest) -> Response:
        return await self.respond(http, parse_chat(await body_of(http)))

    def known(self, name: str) -> str:
        if name not in self.checkpoints.names():
            raise ApiError(
                f"there is no model {name!r:.80} that writes: see /v1/models", "model_not_found", "model", 404
            )
        return name

    def describe(self, name: str) -> dict[str, Any]:
        changed = self.checkpoints.key(name)[1] // 10**9
        return {"id": name, "object": "model", "created": changed, "owned_by": "gpt-playground"}

    # --- an answer --------------------------------------------------------------------------------------------

    async def respond(self, http: HttpRequest, request: Request) -> Response:
        plan = await run_in_threadpool(self.plan, request)
        if self.waiting >= MOST_WAITING:
            raise ApiError(f"{MOST_WAITING} requests are waiting already: try again later", "queue_full", status=429)
        written = self.written(http, plan)
        if request.is_streamed:
            # With the first piece known, what goes wrong at the beginning still has a status of its own.
            first = await anext(written, None)
            return EventStream(events(plan, first, written))
        found: list[list[Piece]] = [[] for _ in plan.prompts]
        async with aclosing(written):
            async for index, piece in written:
                found[index].append(piece)
        if not all(found):  # the client has hung up, and nobody reads this
            return Response(status_code=499)
        total = sum(answer[-1].written for answer in found)
        return JSONResponse(plan.shape.whole(found, plan.usage(total)))

    def plan(self, request: Request) -> Plan:
        """Raises ApiError or ValueError if there is no such model, or a prompt does not fit into its context."""
        key = self.checkpoints.key(self.known(request.model))
        model, tokenizer = self.checkpoints.writer(request.model, "float32")
        answering = answers(self.checkpoints.load(request.model).card)
        if request.is_chat:
            prompts = [request.conversation(answering).encode(tokenizer)]
        else:
            texts = (tokenizer.encode(prompt) if isinstance(prompt, str) else prompt for prompt in request.prompts)
            prompts = [ids or [tokenizer.eot] for ids in texts]  # an empty text begins a new document
        if (longest := max(map(len, prompts))) > model.config.block_size:
            raise ApiError(
                f"the prompt has {longest} tokens, but the context of {request.model} holds {model.config.block_size}: "
                "shorten it",
                "context_length_exceeded",
                "messages" if request.is_chat else "prompt",
            )
        shape = Shape(request, tokenizer, f"fp_{key[1]:x}")
        return Plan(request, shape, model, tokenizer, answering, prompts)

    async def written(self, http: HttpRequest, plan: Plan) -> AsyncGenerator[Written, None]:
        """What the model writes, when it is this request's turn; ends early if the client hangs up."""
        self.waiting += 1
        try:
            await self.turn.acquire()
        finally:
            self.waiting -= 1
        work = Work(plan.pieces())
        try:
            while not await http.is_disconnected() and (piece := await work.next()) is not None:
                yield piece
        finally:
            await work.end()
            self.turn.release()


class Work:
    """An iterator that runs in a thread of its own, which ends with the process, for a reader in the event loop."""

    def __init__(self, found: Iterator[Written]):
        self.loop, self.stopping = asyncio.get_running_loop(), threading.Event()
        self.queue: asyncio.Queue[Written | Exception | None] = asyncio.Queue()
        self.thread = start_thread("completion", lambda: self.run(found), self.stopping.set)

    def run(self, found: Iterator[Written]) -> None:
        try:
            for piece in found:
                self.send(piece)
                if self.stopping.is_set():
                    break
            self.send(None)
        except Exception as error:
            self.send(error)

    def send(self, item: Written | Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the server has ended with its loop: nobody reads any more
            self.loop.call_soon_threadsafe(self.queue.put_nowait, item)

    async def next(self) -> Written | None:
        """The next item; None at the end. Raises what the iterator raised."""
        item = await self.queue.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def end(self) -> None:
        """No more of it; returns when the thread has ended, after the token that it is at."""
        self.stopping.set()
        await run_in_threadpool(self.thread.join)


# --- streams ----------------------------------------------------------------------------------------------------


async def events(plan: Plan, first: Written | None, rest: AsyncGenerator[Written, None]) -> AsyncGenerator[bytes, None]:
    """The server-sent events of an answer. An error in the midst of it is an event, too, and the last."""
    total, at = 0, -1
    try:
        if plan.request.is_chat:
            yield event(plan.shape.opening())
        item = first
        while item is not None:
            index, piece = item
            if index != at:
                at, plan.shape.offset = index, 0
            total += piece.written
            yield event(plan.shape.chunk(index, piece))
            item = await anext(rest, None)
        if plan.request.tells_usage:
            yield event(plan.shape.last(plan.usage(total)))
        yield b"data: [DONE]\n\n"
    except Exception as error:
        yield event(api_error(error).to_json())
    finally:
        await rest.aclose()


def event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


class EventStream(Response):
    """Sends events as they come, and lets their maker end, whatever becomes of the client."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncGenerator[bytes, None]):
        super().__init__(headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self.content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self.content) as content:
            async for part in content:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


# --- what every route does ---------------------------------------------------------------------------------------


def answered(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose errors become OpenAI's."""

    async def call(http: HttpRequest) -> Response:
        try:
            return await endpoint(http)
        except Exception as error:
            return api_error(error).response()

    return call


async def no_such_route(http: HttpRequest, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return ApiError(f"there is no {http.method} {http.url.path} here", "unknown_url", status=status).response()


async def body_of(http: HttpRequest) -> Any:
    """The JSON that was sent. Raises ApiError if it is none, or too large."""
    content = b""
    async for part in http.stream():
        content += part
        if len(content) > MOST_BYTES:
            raise ApiError(f"a request may hold {MOST_BYTES:,} bytes", "request_too_large", status=413)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ApiError(f"the request is no JSON: {error}", "invalid_json") from error
