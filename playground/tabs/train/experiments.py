"""What is tried on a model before it is trained: the learning-rate range test and the batch proof. No gradio.

One at a time, in a thread of this process: a reload of the page finds it again, with all that was measured so far.
"""

import logging
import threading
from dataclasses import asdict, replace
from typing import Any

from core.config import Config, describe_os_error
from core.stages.registry import STAGES
from core.training.device import pick_device
from core.training.planning.accumulation_check import accumulation_check
from core.training.planning.lr_range_test import Trial, range_test, suggestion
from core.training.runner import Job
from playground.services.training_jobs import Jobs

log = logging.getLogger(__name__)
RANGE_STEPS = 100
PROOF_SIZES = (64, 8)  # sequences in a batch, and in each of the micro-batches that must amount to it


class Stopped(Exception):
    """The person does not want to wait for the end."""


class Experiments:
    """The latest experiment: what it is, how far it is, what came out."""

    def __init__(self, jobs: Jobs):
        self.jobs = jobs
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.stopping = threading.Event()
        self.state: dict[str, Any] = {"kind": "", "message": "", "error": "", "trials": [], "suggestion": None}
        self.state |= {"layers": [], "sizes": PROOF_SIZES, "stage": ""}

    def start(self, kind: str, stage: str, config: Config) -> None:
        """Begin a `range` test or a `proof`. Raises ValueError if another is going on, or a training has the device."""
        with self.lock:
            if self.running:
                raise ValueError("another experiment is going on: stop it first")
            self.jobs.refuse_if_busy(pick_device(config.to_dict()["device"]).type)
            self.stopping.clear()
            self.state = self.state | {"kind": kind, "stage": stage, "error": "", "message": "starting"}
            self.state |= {"trials": [], "suggestion": None} if kind == "range" else {"layers": []}
            self.thread = threading.Thread(target=self.run, args=(kind, stage, config), daemon=True, name="experiment")
            self.thread.start()

    def stop(self) -> None:
        self.stopping.set()

    @property
    def running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def status(self) -> dict[str, Any]:
        return self.state | {"running": self.running}

    def run(self, kind: str, stage: str, config: Any) -> None:
        try:
            if kind == "proof":
                config = replace(config, fit=replace(config.fit, batch_size=PROOF_SIZES[0], micro_batch_size=0))
            job = STAGES[stage].prepare(config, None, pick_device(config.fit.device), self.say)
            self.say("measuring")
            self.find_rate(job) if kind == "range" else self.prove(job)
            self.say("")
        except Stopped:
            self.say("stopped")
        except ValueError as error:
            self.state = self.state | {"error": str(error)}
        except OSError as error:
            self.state = self.state | {"error": describe_os_error(error)}
        except Exception:
            log.exception("an experiment failed")
            self.state = self.state | {"error": "that went wrong; the terminal of the playground says more"}

    def say(self, message: str) -> None:
        if self.stopping.is_set() and message != "stopped":
            raise Stopped
        self.state = self.state | {"message": message}

    def find_rate(self, job: Job) -> None:
        trials: list[Trial] = []
        for trial in range_test(job.model, job.batches, job.loss_fn, job.config, steps=RANGE_STEPS):
            trials.append(trial)
            self.state = self.state | {"trials": [asdict(trial) for trial in trials]}
            self.say(f"step {trial.step} of at most {RANGE_STEPS}")
        self.state = self.state | {"suggestion": suggestion(trials)}

    def prove(self, job: Job) -> None:
        layers = accumulation_check(job.model, job.batches(0), job.loss_fn, job.config, PROOF_SIZES)
        self.state = self.state | {"layers": [asdict(layer) for layer in layers]}
