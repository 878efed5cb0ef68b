"""A rule that votes in a thread of this process, so that a reload of the page finds it again. No gradio."""

import atexit
import logging
import random
import threading
from typing import Any

from core.config import describe_os_error
from core.preferences.pair_generation import PAIR_SAMPLING, Writer, simulate
from core.preferences.rule_annotators import rule_of
from core.preferences.vote_store import Votes
from playground.services.labelling.preference_predictor import Models

MOST = 5000  # votes
CLOSE_SECONDS = 10.0

log = logging.getLogger(__name__)


class RuleVoting:
    """The latest rule that was let to vote: how far it is, and what became of it."""

    def __init__(self, checkpoints: Models, votes: Votes):
        self.checkpoints, self.votes = checkpoints, votes
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.stopping = threading.Event()
        self.state: dict[str, Any] = {"message": "", "error": "", "done": 0, "wanted": 0}

    def start(self, model: str | None, rule: str, count: int) -> None:
        """Begin. Raises ValueError if a rule is voting already, or there is no such model or count."""
        if not model:
            raise ValueError("no model here answers yet: fine-tune one on instructions in the Train tab")
        if not 1 <= count <= MOST:
            raise ValueError(f"votes must be between 1 and {MOST:,}, got {count:,}")
        with self.lock:
            if self.running:
                raise ValueError("a rule is voting already: stop it first, or wait until it ends")
            rule_of(rule)
            writer = Writer(*self.checkpoints.writer(model, "float32"), model)
            self.stopping.clear()
            self.state = {"message": "the model is writing answers", "error": "", "done": 0, "wanted": count}
            self.thread = threading.Thread(target=self.run, args=(writer, rule, count), daemon=True, name="rule")
            self.thread.start()
            atexit.register(self.close)

    def stop(self) -> None:
        self.stopping.set()

    def close(self) -> None:
        """End the thread: the interpreter must not end while it computes."""
        self.stop()
        if self.thread:
            self.thread.join(timeout=CLOSE_SECONDS)

    @property
    def running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def status(self) -> dict[str, Any]:
        return self.state | {"running": self.running}

    def run(self, writer: Writer, rule: str, count: int) -> None:
        """The thread: whatever happens, the state that is left says so."""
        try:
            for done in simulate(self.votes, writer, rule, count, PAIR_SAMPLING, random.getrandbits(30)):
                self.say(done=done, message=f"{done:,} of {count:,} votes given")
                if self.stopping.is_set():
                    self.say(message=f"stopped after {done:,} votes, which are kept")
                    return
            if self.state["done"] < count:
                self.say(message=f"{self.state['done']:,} votes given: there are no prompts left")
        except ValueError as error:
            self.say(error=str(error))
        except OSError as error:
            self.say(error=describe_os_error(error))
        except Exception:
            log.exception("a rule could not vote")
            self.say(error="that went wrong; the terminal of the playground says more")

    def say(self, **news: Any) -> None:
        self.state = self.state | news
