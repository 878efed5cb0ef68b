"""The hub on 127.0.0.1: what of its protocol a download or an upload needs, so that the real `huggingface_hub` talks to
it."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


class FakeHub(ThreadingHTTPServer):
    """Serves `models` {id: (commit, directory)}; `redirects` {short id: id}; `refusals` {id: (status, error code)}.

    Whoever has a token may write models of the owner "me": `uploads` {id: {file name: content}}.
    `requests` holds what it was asked, as "GET /path". With `breaks_off` it hangs up in the middle of weights; what it
    `says` instead, if anything, is a page as a wireless network's gate shows it.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.models: dict[str, tuple[str, Path]] = {}
        self.redirects: dict[str, str] = {}
        self.refusals: dict[str, tuple[int, str]] = {}
        self.uploads: dict[str, dict[str, bytes]] = {}
        self.requests: list[str] = []
        self.breaks_off = False
        self.says = b""

    def fetched(self) -> list[str]:
        """Names of the files whose content was asked for, in order."""
        return [line.rpartition("/")[2] for line in self.requests if line.startswith("GET") and "/resolve/" in line]


class Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.respond()

    def do_GET(self) -> None:
        self.respond()

    def respond(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.server.requests.append(f"{self.command} {path}")
        if self.server.says:
            self.answer(200, self.server.says)
        elif path.startswith("/api/models/"):
            model, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            self.describe(model, revision or "main")
        elif path.startswith("/api/"):
            self.answer(404)
        else:
            model, _, rest = path.removeprefix("/").partition("/resolve/")
            self.give_file(model, *rest.split("/", 1))

    def do_POST(self) -> None:
        """What an upload asks in turn: to make the model, how to send its files, and to take them."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(f"POST {self.path}")
        if self.path == "/api/repos/create":
            asked = json.loads(content)
            model = f"{asked['organization']}/{asked['name']}"
            if asked["organization"] != "me" or not self.headers["Authorization"].startswith("Bearer hf_"):
                return self.answer(403, b"{}")
            if model in self.server.uploads:
                return self.answer(409, b"{}")
            self.server.uploads[model] = {}
            return self.answer(200, json.dumps({"url": f"{self.server.url}/{model}", "id": model}).encode())
        if self.path == "/api/validate-yaml":
            return self.answer(200, b'{"errors": [], "warnings": []}')
        model = "/".join(self.path.removeprefix("/api/models/").split("/")[:2])
        if "/preupload/" in self.path:
            files = [file | {"uploadMode": "regular", "shouldIgnore": False} for file in json.loads(content)["files"]]
            return self.answer(200, json.dumps({"files": files}).encode())
        for line in content.splitlines():
            item = json.loads(line)
            if item["key"] == "file":
                self.server.uploads[model][item["value"]["path"]] = base64.b64decode(item["value"]["content"])
        done = {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.server.url}/{model}/commit/{'0' * 40}"}
        self.answer(200, json.dumps(done).encode())

    def describe(self, model: str, revision: str) -> None:
        if model in self.server.redirects:
            target = self.path.replace(model, self.server.redirects[model], 1)
            return self.answer(307, headers={"Location": target})
        if model not in self.server.models and model not in self.server.refusals:
            return self.refuse(404, "RepoNotFound")
        if model in self.server.refusals and self.server.refusals[model][1] != "GatedRepo":
            return self.refuse(*self.server.refusals[model])  # a gated model is described, but not handed out
        commit, directory = self.server.models[model]
        if revision not in ("main", commit):
            return self.refuse(404, "RevisionNotFound")
        files = sorted(file.relative_to(directory).as_posix() for file in directory.rglob("*") if file.is_file())
        description = {"id": model, "sha": commit, "siblings": [{"rfilename": name} for name in files]}
        self.answer(200, json.dumps(description).encode())

    def give_file(self, model: str, revision: str, name: str) -> None:
        commit, directory = self.server.models[model]
        assert revision == commit, "only the commit that was resolved is downloaded from"
        if model in self.server.refusals:
            return self.refuse(*self.server.refusals[model])
        content = (directory / name).read_bytes()
        self.answer(200, content, {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'})

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, b"{}", {"X-Error-Code": code} if code else {})

    def answer(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            cut = self.server.breaks_off and self.path.endswith(".safetensors")
            self.wfile.write(content[: len(content) // 2] if cut else content)


@contextmanager
def serve() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
