"""Most decisive votes: which ones made a model say something, the proof, and models without some. No gradio."""

import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from core import decisive_votes
from core.datasets.prompts import held_out_prompts
from core.decisive_votes import DECISIVE, Decisive, DecisiveVotes, read_kept
from core.stages.registry import DPO
from playground.services.background_task import BackgroundTask, Stopped
from playground.services.checkpoints import Checkpoints, Key, get_or_make
from playground.services.training_jobs import Jobs
from playground.services.vote_learners import train_without
from playground.tabs.align.mixtures import SHOWN_PROMPTS

ESTIMATE, PROOF = "estimate", "proof"  # what is going on
TRAINED = {  # what a proof does next, by how many models it has measured
    0: "measuring what is said with all votes",
    2: f"training again without the {DECISIVE} most decisive votes",
    3: f"training again without {DECISIVE} others, drawn at random",
}


class VoteInfluence:
    """One estimate or proof at a time, of any model; what was found is kept beside the model."""

    def __init__(self, checkpoints: Checkpoints, jobs: Jobs):
        self.checkpoints, self.jobs = checkpoints, jobs
        self.works: dict[Key, DecisiveVotes] = {}  # the latest: it holds two models
        self.lock = threading.Lock()
        refusal = "the votes of {model} are being asked: stop that first, or wait until it ends"
        self.task = BackgroundTask("decisive votes", refusal, model="", what="")

    def work(self, name: str) -> DecisiveVotes:
        """Of the model called so. Raises ValueError in words if of its votes nothing can be said."""
        if not name:
            raise ValueError("choose a model that DPO has made of votes")
        key = self.checkpoints.key(name)
        directory = self.checkpoints.path(name)
        if self.jobs.stage(name) != DPO:
            raise ValueError(f"{name} was not made by DPO: choose a model that DPO has made of votes")
        if directory.parent != self.checkpoints.directory:
            raise ValueError(f"{name} lies where nothing can be written: choose a model of your own")
        with self.lock:
            work = get_or_make(self.works, key, lambda: DecisiveVotes(directory), 1)
        work.votes.check()
        return work

    def about(self, name: str) -> dict[str, Any]:
        """What can be asked of the model called `name`. Raises ValueError in words if nothing can."""
        return {"votes": len(self.work(name).pairs), "prompts": held_out_prompts(SHOWN_PROMPTS)}

    def status(self, name: str) -> dict[str, Any]:
        """How far it is, and what is known of the model called `name`."""
        status = self.task.status()
        mine = status["model"] == name
        found = read_kept(self.checkpoints.path(name))
        return {
            "running": status["running"] and mine,
            "what": status["what"],
            "message": self.progress(status) if mine else "",
            "error": status["error"] if mine else "",
            "found": asdict(found) | {"decisive": found.decisive} if found else None,
        }

    def progress(self, status: dict[str, Any]) -> str:
        step, steps = next(iter(self.works.values())).step() if status["running"] and self.works else (0, 0)
        message: str = status["message"]
        return f"{message}: step {step:,} of {steps:,}" if step else message

    # --- the work -----------------------------------------------------------------------------------------------

    def estimate(self, name: str, prompt: str) -> None:
        """Begin to ask each vote. Raises ValueError in words if the prompt is empty or too long."""
        self.task.refuse_if_running()
        work = self.work(name)
        work.target(prompt, "a")

        def run() -> str:
            work.keep(work.estimate(prompt))
            return ""

        self.task.start(run, "answering, and asking each vote", model=name, what=ESTIMATE)

    def prove(self, name: str) -> None:
        """Begin to train again without the most decisive votes, and without others. Raises ValueError in words."""
        self.task.refuse_if_running()
        work, found = self.work(name), read_kept(self.checkpoints.path(name))
        if found is None:
            raise ValueError("there is no estimate to prove yet: ask for one first")
        self.jobs.refuse_if_busy(work.device.type)
        self.task.start(lambda: self.train_again(work, found), TRAINED[0], model=name, what=PROOF)

    def train_again(self, work: DecisiveVotes, found: Decisive) -> str:
        try:
            for proof in work.prove(found, is_stopped=self.task.stopping.is_set):
                self.task.update(message=TRAINED.get(len(proof.measured), ""))
        except decisive_votes.Stopped:
            raise Stopped from None
        return ""

    def stop(self) -> None:
        self.task.stop("stopping")
        for work in self.works.values():
            work.stop()

    # --- a model of its own -------------------------------------------------------------------------------------

    def train_without(self, name: str, numbers: Sequence[int]) -> str:
        """Begin the training of a model that never saw these votes; its name. Raises ValueError in words."""
        return train_without(self.jobs, self.work(name).votes, numbers)
