"""Experiments before a training, in the background: the learning-rate range test and the batch proof."""

from dataclasses import asdict, replace
from typing import Any

from core.config import Config
from core.stages.registry import STAGES
from core.training.device import pick_device
from core.training.planning.accumulation_check import accumulation_check
from core.training.planning.lr_range_test import Trial, range_test, suggestion
from core.training.runner import Job
from playground.services.background_task import BackgroundTask
from playground.services.training_jobs import Jobs

RANGE_STEPS = 100
PROOF_SIZES = (64, 8)  # sequences in a batch, and in each of the micro-batches that must amount to it


class Experiments:
    """One at a time; the latest of each kind is remembered, with all that was measured so far."""

    def __init__(self, jobs: Jobs):
        self.jobs = jobs
        found: dict[str, Any] = {"trials": [], "suggestion": None, "layers": []}
        refusal = "another experiment is going on: stop it first"
        self.task = BackgroundTask("experiment", refusal, kind="", stage="", sizes=PROOF_SIZES, **found)

    def start(self, kind: str, stage: str, config: Config) -> None:
        """Begin a `range` test or a `proof`. Raises ValueError if another is going on, or a training has the device."""
        self.task.refuse_if_running()
        self.jobs.refuse_if_busy(pick_device(config.to_dict()["device"]).type)
        results: dict[str, Any] = {"trials": [], "suggestion": None} if kind == "range" else {"layers": []}
        self.task.start(lambda: self.run(kind, stage, config), "starting", kind=kind, stage=stage, **results)

    def stop(self) -> None:
        self.task.stop()

    def forget(self) -> None:
        """What was found; one that is going on is stopped."""
        self.task.stop()
        self.task.update(kind="", message="", error="", trials=[], suggestion=None, layers=[])

    def status(self) -> dict[str, Any]:
        return self.task.status()

    # --- the work ---------------------------------------------------------------------------------------------

    def run(self, kind: str, stage: str, config: Any) -> str:
        if kind == "proof":
            config = replace(config, fit=replace(config.fit, batch_size=PROOF_SIZES[0], micro_batch_size=0))
        job = STAGES[stage].prepare(config, None, pick_device(config.fit.device), self.task.report)
        self.task.report("measuring")
        self.find_rate(job) if kind == "range" else self.prove(job)
        self.task.report("")
        return ""

    def find_rate(self, job: Job) -> None:
        trials: list[Trial] = []
        for trial in range_test(job.model, job.batches, job.loss_fn, job.config, steps=RANGE_STEPS):
            trials.append(trial)
            message = f"step {trial.step} of at most {RANGE_STEPS}"
            self.task.report(message, trials=[asdict(trial) for trial in trials])
        self.task.update(suggestion=suggestion(trials))

    def prove(self, job: Job) -> None:
        batch = job.batches(0)
        assert batch is not None  # there is a first step
        layers = accumulation_check(job.model, batch, job.loss_fn, job.config, PROOF_SIZES)
        self.task.update(layers=[asdict(layer) for layer in layers])
