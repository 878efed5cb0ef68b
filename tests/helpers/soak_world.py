"""The world of the soak: one workspace, who uses it, what must be true of it, and whether that is so."""

import hashlib
import itertools
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import torch

from core import checkpoint
from core.checkpoint import WEIGHTS, Card
from core.model import GPT, GPTConfig
from core.tokenizer import Tokenizer
from core.training.run_directory import ACTIVE, DAMAGED, QUEUED, STATES, runs
from playground.__main__ import launch
from playground.services.run_overview import RunOverview
from playground.services.services import Services
from playground.tabs.models.cards import ModelCards
from tests.conftest import SENTENCES, free_port

USERS = ("Ann", "Ben", "Cleo", "Dan")
UNFINISHED = ("stopped", "failed", "interrupted")
PATIENCE = 120.0  # seconds that a process may take to start, or to end, on a busy machine
GROWTH = 200.0  # MB by which a process may grow after its first WARM events
WARM = 100
ANSWER_SECONDS = 60.0


class Broken(AssertionError):
    """Something that must be true is not."""


@dataclass
class World:
    """What was done to the workspace, as far as somebody was told that it is done."""

    place: Path
    in_process: bool = False  # the page is served by this process, which is not killed then
    windows: list[Services] = field(default_factory=list)  # two playgrounds on one workspace
    votes: dict[str, int] = field(default_factory=dict)  # ids by key, of those that were acknowledged
    withdrawn: set[str] = field(default_factory=set)  # keys
    models: dict[str, str] = field(default_factory=dict)  # digests by name
    thrown: dict[str, tuple[str, str]] = field(default_factory=dict)  # (name, digest) by id in the trash
    damaged: set[str] = field(default_factory=set)  # entries of which a file was damaged for good
    clock: float = 0.0  # seconds by which this process's clock is wrong
    counts: Counter[str] = field(default_factory=Counter)
    memory: dict[str, list[float]] = field(default_factory=dict)  # MB after each event
    idle: dict[int, float] = field(default_factory=dict)  # processes that hold no run, and since when

    def __post_init__(self) -> None:
        self.directory, self.real_time = self.place / "checkpoints", time.time
        self.text = self.place / "text.txt"
        self.place.mkdir(parents=True, exist_ok=True)
        self.text.write_text(SENTENCES * 40, encoding="utf-8")
        self.tokenizer = Tokenizer.train(SENTENCES, 300)
        for number, name in enumerate(("one", "two", "three")):
            self.make_model(self.directory / name, number, "" if name == "one" else "one")
            self.models[name] = digest(self.directory / name)
        time.time = lambda: self.real_time() + self.clock  # type: ignore[assignment]
        self.windows = [Services.open(self.directory, torch.device("cpu")) for _ in range(2)]
        self.server: subprocess.Popen[bytes] | None = None
        self.port, self.begun, self.is_served = free_port(), 0.0, False
        self.serve()

    def make_model(self, directory: Path, seed: int, parent: str = "") -> None:
        torch.manual_seed(seed)
        model = GPT(GPTConfig(n_layer=1, n_head=2, n_embd=16, block_size=16, vocab_size=300))
        checkpoint.save(directory, model, self.tokenizer, Card("pretrain", parent or None))

    # --- the page ---------------------------------------------------------------------------------------------

    def serve(self) -> None:
        self.begun, self.is_served = time.monotonic(), False
        if self.in_process:
            self.blocks = launch(self.windows[0], "127.0.0.1", self.port, browser=False, wait=False)
            return
        options = ["--port", str(self.port), "--no-browser", "--checkpoints", str(self.directory), "--device", "cpu"]
        log = (self.place / "server.log").open("ab")
        self.server = subprocess.Popen([sys.executable, "-m", "playground", *options], stdout=log, stderr=log)

    def ask(self, endpoint: str, *values: Any) -> Any:
        """What the running page answers a program; a sentence if it refuses. None: it is still starting."""
        if not self.is_up():
            return None
        url = f"http://127.0.0.1:{self.port}/gradio_api/call/{endpoint}"
        body = json.dumps({"data": values}).encode()
        with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=ANSWER_SECONDS) as answer:
            event = json.load(answer)["event_id"]
        with urlopen(f"{url}/{event}", timeout=ANSWER_SECONDS) as answer:
            lines = answer.read().decode("utf-8").splitlines()
        told = [(a.removeprefix("event: "), b.removeprefix("data: ")) for a, b in itertools.pairwise(lines)]
        if done := [data for event, data in told if event == "complete"]:
            return json.loads(done[0])[0]
        said = next((data for event, data in told if event == "error"), "")
        self.must("went wrong" not in said and len(said) > len("null"), f"{endpoint}{values} is refused with {said!r}")
        return said

    def is_up(self) -> bool:
        with suppress(URLError, OSError):
            if not self.is_served:
                with urlopen(f"http://127.0.0.1:{self.port}/", timeout=ANSWER_SECONDS):
                    self.is_served = True
        if not self.is_served:
            self.must(time.monotonic() - self.begun < PATIENCE, "the page does not come")
        return self.is_served

    # --- what must be true ------------------------------------------------------------------------------------

    def must(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise Broken(otherwise)

    def check(self) -> None:
        """Raise Broken if an invariant does not hold."""
        self.check_votes()
        self.check_runs()
        self.check_models()
        self.check_processes()
        self.check_memory()

    def check_votes(self) -> None:
        """None that was acknowledged is lost, or comes back; and all see the same."""
        with closing(sqlite3.connect(self.directory / "preferences.db")) as connection:
            stands = dict(connection.execute("SELECT key, id FROM standing"))
        acknowledged = {key: id for key, id in self.votes.items() if key not in self.withdrawn}
        lost = [key for key, id in acknowledged.items() if stands.get(key) != id]
        self.must(not lost, f"votes are lost: {lost}")
        self.must(not self.withdrawn & stands.keys(), "votes that were taken back stand again")
        for window in self.windows:
            seen = [vote.id for vote in window.preferences.standing()]
            self.must(seen == sorted(stands.values()), "a window sees other votes than the store holds")

    def check_runs(self) -> None:
        """Whatever state a run is in, it says why, and one at a time has the device."""
        training = []
        for run in runs(self.directory):
            status = run.status()
            self.must(status.state in (*STATES, DAMAGED), f"{run.name} is {status.state}")
            if status.state in ("failed", "interrupted", DAMAGED):
                self.must(bool(status.message), f"{run.name} is {status.state} and does not say why")
            self.must(status.state != DAMAGED or run.name in self.damaged, f"{run.name}: {status.message}")
            training += [run.name] if status.state in ("running", "paused") and run.name not in self.damaged else []
            if status.state == "finished" and run.name not in self.models and run.name not in self.damaged:
                self.models[run.name] = digest(run.directory)
        self.must(len(training) < 2, f"the device is held by {training}")

    def check_models(self) -> None:
        """None is lost, or has become another, and the overview shows each of them."""
        for name, known in self.models.items():
            self.must(digest(self.directory / name) == known, f"{name} is lost, or another model lies there")
        for id, (name, known) in self.thrown.items():
            self.must(digest(self.directory / ".trash" / id) == known, f"{name} is lost in the trash")
        window = self.windows[self.counts.total() % 2]
        cards = {card["name"]: card for card in ModelCards(window.workspace, window.preferences).overview()["cards"]}
        missing = [name for name in self.models if name not in cards or cards[name]["trouble"]]
        self.must(not missing, f"not shown as they are: {missing}")
        rows = {row["name"] for row in RunOverview(window.jobs).rows(["pretrain"])}
        unseen = {run.name for run in runs(self.directory)} - rows - self.damaged
        self.must(not unseen, f"runs are not in the table: {unseen}")

    def check_processes(self) -> None:
        """Every process but the page's trains a run, or ends soon."""
        working = {run.status().pid for run in runs(self.directory) if run.is_held()}
        found = {pid for pid in processes(self.directory) if self.server is None or pid != self.server.pid}
        now = time.monotonic()
        self.idle = {pid: self.idle.get(pid, now) for pid in found - working}
        orphans = [pid for pid, since in self.idle.items() if now - since > PATIENCE]
        self.must(not orphans, f"processes that nobody knows: {orphans}")

    def check_memory(self) -> None:
        """No process grows with what is done to it."""
        watched = {"this process": os.getpid()} | ({"the page": self.server.pid} if self.server else {})
        for name, pid in watched.items():
            with suppress(OSError):  # it was killed just now
                self.memory.setdefault(name, []).append(resident(pid))
        for name, sizes in self.memory.items():
            if len(sizes) > WARM:
                self.must(sizes[-1] < max(sizes[:WARM]) + GROWTH, f"{name} has grown to {sizes[-1]:,.0f} MB")

    # --- the end ----------------------------------------------------------------------------------------------

    def settle(self, most: int) -> None:
        """With the clock right and the disk empty, runs that have not finished finish, or are refused with a reason."""
        self.clock = 0.0
        jobs = self.windows[0].jobs
        self.wait(lambda: not self.unfinished(), "trainings do not stop")
        left = [run for run in runs(self.directory) if run.status().state in UNFINISHED][:most]
        for run in left:
            try:
                jobs.resume(run.name)
            except ValueError as error:
                self.must(len(str(error)) > 10, f"{run.name} is refused without a reason")
                continue
            self.wait(lambda run=run: run.status().state not in (*ACTIVE, QUEUED), f"{run.name} does not end")  # type: ignore[misc]
            status = run.status()
            self.must(status.state == "finished" or bool(status.message), f"{run.name} is {status.state}: no reason")
            self.counts[f"at the end: {status.state}"] += 1

    def unfinished(self) -> list[str]:
        """The runs that are trained, or wait for it; those that were begun meanwhile are told to stop, too."""
        found = [run for run in runs(self.directory) if run.status().state in (*ACTIVE, QUEUED)]
        for run in found:
            with suppress(ValueError):
                self.windows[0].jobs.request(run.name, "stop")
        return [run.name for run in found]

    def wait(self, condition: Callable[[], bool], otherwise: str) -> None:
        until = time.monotonic() + PATIENCE
        while not condition():
            self.must(time.monotonic() < until, otherwise)
            time.sleep(0.1)

    def close(self) -> None:
        time.time = self.real_time  # type: ignore[assignment]
        if self.in_process:
            self.blocks.close()
        elif self.server:
            self.server.kill()
            self.server.wait()
        for pid in processes(self.directory):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for window in self.windows:
            window.labelling.close()


def digest(directory: Path) -> str:
    """Of what makes a model; "" if a part of it is not there."""
    parts = [directory / name for name in (WEIGHTS, "config.json", "tokenizer.json")]
    if not all(path.is_file() for path in parts):
        return ""
    return hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()


def processes(directory: Path) -> set[int]:
    """Those, but this one, whose command line names the directory (Linux)."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(directory).encode() in (path / "cmdline").read_bytes() and int(path.name) != os.getpid():
                found.add(int(path.name))
    return found


def resident(pid: int) -> float:
    """MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() / 1e6
