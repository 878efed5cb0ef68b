"""The process that learns while a person votes (core/online_dpo.py): started ahead, and kept from round to round.

To start Python, torch and the parent takes seconds that nobody should wait for after the vote that completes a round.
"""

import json
import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from threading import Event

from core import child
from core.online_dpo import Round, dump_round

ERRORS = "errors.txt"  # what it said last, beside its versions
IDLE_SECONDS = 300.0  # without a round, after which its memory is given back
NICENESS = 10  # whoever votes comes first


class Learner:
    """One process at most, for the rounds of one parent on one device."""

    def __init__(self, device: str):
        self.device = device
        self.lock = threading.Lock()
        self.process: subprocess.Popen[str] | None = None
        self.parent = ("", "")  # its directory and the digest of its weights
        self.works = False  # on a round?
        self.idle: threading.Timer | None = None

    def prepare(self, parent: str, digest: str, session: Path) -> None:
        """Start the process, if it is not there."""
        with self.lock:
            if not self.works:
                self.start(parent, digest, session)

    def run(self, due: Round, stopping: Event) -> None:
        """Make a version; returns without one if it is stopped. Raises ValueError if it comes to nothing."""
        session = Path(due.session)
        with self.lock:
            if stopping.is_set():
                return
            process = self.start(due.parent, due.digest, session)
            self.works = True
        said = ""
        try:
            assert process.stdin is not None and process.stdout is not None
            with suppress(OSError):  # it has died: then it says nothing, either
                process.stdin.write(dump_round(due) + "\n")
                process.stdin.flush()
                said = process.stdout.readline()
        finally:
            with self.lock:
                self.works = False
                if not said:
                    self.process = None
                    discard(process)
        answer = json.loads(said) if said.endswith("\n") else {}
        if "made" not in answer and not stopping.is_set():
            died = f"the learner has died (see {session / ERRORS}); it tries again after your next vote"
            raise ValueError(answer.get("error") or died)

    def start(self, parent: str, digest: str, session: Path) -> subprocess.Popen[str]:
        """The process, for this parent; another one ends. With the lock held."""
        self.end_later()
        if self.process and self.process.poll() is None and self.parent == (parent, digest):
            return self.process
        self.end()
        command = child.command("core.online_dpo", parent, digest, self.device)
        with (session / ERRORS).open("w", encoding="utf-8") as stderr:
            streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": stderr}
            process: subprocess.Popen[str] = subprocess.Popen(command, text=True, **streams)  # type: ignore[call-overload]
        if hasattr(os, "setpriority"):
            with suppress(OSError):  # it has ended already
                os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        self.process, self.parent = process, (parent, digest)
        return process

    def end_later(self) -> None:
        """Unless something is asked of it before."""
        if self.idle:
            self.idle.cancel()
        self.idle = threading.Timer(IDLE_SECONDS, self.end_if_idle)
        self.idle.daemon = True
        self.idle.start()

    def end_if_idle(self) -> None:
        with self.lock:
            if self.works:
                self.end_later()
            else:
                self.end()

    def kill(self) -> None:
        """End the process, whatever it does."""
        with self.lock:
            self.end()

    def end(self) -> None:
        """With the lock held. A round that goes on notices."""
        if self.process and self.works:
            self.process.kill()
        elif self.process:
            discard(self.process)
            self.process = None


def discard(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):  # what it was not told any more
            if stream:
                stream.close()
