"""A rule that votes in the background."""

import random
from typing import Any

from core.preferences.pair_generation import PAIR_SAMPLING, Writer, simulate
from core.preferences.rule_annotators import rule_of
from core.preferences.vote_store import Votes
from playground.services.background_task import BackgroundTask
from playground.services.checkpoints import Checkpoints

MOST = 5000  # votes


class RuleVoting:
    """One rule at a time; the latest is remembered."""

    def __init__(self, checkpoints: Checkpoints, votes: Votes):
        self.checkpoints, self.votes = checkpoints, votes
        refusal = "a rule is voting already: stop it first, or wait until it ends"
        self.task = BackgroundTask("rule", refusal, "stopped after {done:,} votes, which are kept", done=0, wanted=0)

    def start(self, model: str | None, rule: str, count: int) -> None:
        """Begin. Raises ValueError if a rule is voting already, or there is no such model or count."""
        if not model:
            raise ValueError("no model here answers yet: fine-tune one on instructions in the Train tab")
        if not 1 <= count <= MOST:
            raise ValueError(f"votes must be between 1 and {MOST:,}, got {count:,}")
        self.task.refuse_if_running()
        rule_of(rule)
        writer = Writer(*self.checkpoints.writer(model, "float32"), model)
        self.task.start(lambda: self.vote(writer, rule, count), "the model is writing answers", done=0, wanted=count)

    def stop(self) -> None:
        self.task.stop()

    def status(self) -> dict[str, Any]:
        return self.task.status()

    def vote(self, writer: Writer, rule: str, count: int) -> str:
        done = 0
        for done in simulate(self.votes, writer, rule, count, PAIR_SAMPLING, random.getrandbits(30)):
            self.task.report(f"{done:,} of {count:,} votes given", done=done)
        return (
            f"{done:,} votes given: there are no prompts left" if done < count else f"{done:,} of {count:,} votes given"
        )
