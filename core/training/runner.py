"""Execute a run: what surrounds `fit`. Resume, evaluate, sample, save, obey pause and stop, and say how it ended."""

import logging
import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from core import checkpoint, lora
from core.atomic_files import atomic_directory, remove, write_json
from core.checkpoint import Card
from core.compiling import uncompiled
from core.huggingface import Model
from core.tokenizer import Tokenizer
from core.training import distributed, sharding
from core.training.batches import Batches
from core.training.device import describe_gpu, free_memory, in_bfloat16, peak_flops, peak_memory, pick_device
from core.training.failure import Failure
from core.training.log_lines import append_line
from core.training.loop import (
    AfterStep,
    FitConfig,
    LossFn,
    NotFinite,
    StepLog,
    fit,
    no_metrics,
    optimizers_of,
    say_nothing,
)
from core.training.lr_schedule import snapshot_steps
from core.training.optimizer import load_optimizers, save_optimizers
from core.training.planning import memory
from core.training.run_directory import Run, Status, step_number
from core.training.sharding import Shards

log = logging.getLogger(__name__)
STATUS_INTERVAL = 0.5  # seconds between two writes of status.json
OPTIMIZER_FILE = "optimizer.safetensors"
LAST_WORDS = 5.0  # seconds for the first process, which mostly meets the same, to say why all end
MOST_CAREFUL = 2  # saved steps that stay at least while a run goes on: the last one may be the one that went wrong


@dataclass(frozen=True)
class Job:
    """What a stage hands over: everything in which stages differ."""

    model: Any  # what learns: mostly a Model, with whatever else learns beside it
    tokenizer: Tokenizer
    batches: Batches
    loss_fn: LossFn
    config: FitConfig
    card: Card
    evaluate: Callable[[Any], dict[str, float]]  # metrics on held-out data, e.g. {"loss/val": 3.2, "bpb/val": 2.1}
    sample: Callable[[Any], dict[str, str]]  # {"prompt": ..., "text": ...}
    references: dict[str, float] = field(default_factory=dict)  # losses to compare with: see Run.references
    report: Callable[[Any], dict[str, float]] | None = None  # more thorough than `evaluate`, once, of what is kept
    details: Callable[[Any, int], dict[str, Any]] | None = None  # for details.jsonl, at step 0 and with each `sample`
    to_checkpoint_model: Callable[[Any], Model] = lora.merge_adapters  # the model that a checkpoint holds
    save_state: Callable[[Path], None] = lambda directory: None  # what a saved step needs besides, to go on from it
    prefetch: bool = True  # see fit
    after_step: AfterStep = no_metrics
    shards: Shards | None = None  # if the processes hold the model together

    def whole(self) -> Any:
        """The model with all its weights in this process, the first one."""
        return self.shards.whole() if self.shards else self.model

    def steps(self, optimizers: list[Optimizer], start: int, say: Callable[[str], None]) -> Iterator[StepLog]:
        """Train from step `start` on. say: shows what is being done where a step takes long."""
        return fit(
            self.model,
            self.batches,
            self.loss_fn,
            self.config,
            optimizers=optimizers,
            start_step=start,
            prefetch=self.prefetch,
            after_step=self.after_step,
            say=say,
        )


Progress = Callable[[str], None]  # shows what is being done before the first step
Prepare = Callable[[Path | None, torch.device, Progress], Job]  # given the saved step to go on from, if any


def execute(run: Run, fit_config: FitConfig, prepare: Prepare) -> Status:
    """Train `run` from its last saved step, or from the beginning, until it is finished, stopped or failed.

    A finished run is left as it is. Started by torchrun, all processes train and the first one does everything else.
    """
    device = pick_device(fit_config.device)
    if device.type == "cuda" and not distributed.has_gpu():
        raise ValueError(f"there are more processes than GPUs, of which this machine has {torch.cuda.device_count()}")
    torch.backends.cuda.matmul.allow_tf32 = True  # for the float32 products that autocast leaves
    if not distributed.is_main():
        return follow(run, device, prepare)
    if (status := run.status()).state == "finished":
        log.info("%s is finished already", run.name)
        distributed.tell("stop")
        return status
    handler = logging.FileHandler(run.log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.getLogger("core").addHandler(handler)
    try:
        with run.hold(device.type):
            distributed.tell("go on")
            status = run.explained(Runner(run, fit_config, device).run_to_end(prepare))
            run.write_status(status)
            log.info("%s at step %d: %s", status.state, status.step, status.message)
            return status
    finally:
        logging.getLogger("core").removeHandler(handler)
        handler.close()


def follow(run: Run, device: torch.device, prepare: Prepare) -> Status:
    """What the other processes of a distributed training do: take the same steps, and write nothing."""
    if distributed.listen() == "go on":
        try:
            job, optimizers, start = restore(run, device, prepare, say_nothing)
            obey(run, job, optimizers)
            for _ in job.steps(optimizers, start, say_nothing):
                distributed.largest(peak_memory(device) or 0.0)
                if obey(run, job, optimizers) == "stop":
                    return run.status()
            obey(run, job, optimizers)
        except (NotFinite, ValueError):
            time.sleep(LAST_WORDS)
            raise
    return run.status()


def obey(run: Run, job: Job, optimizers: list[Optimizer]) -> str:
    """Help the first process with what it cannot do alone, until it goes on or stops."""
    while (order := distributed.listen()) not in ("go on", "stop"):
        assert job.shards is not None
        if order == "gather weights":
            job.shards.gather()
        else:
            sharding.save_optimizers(run.directory / OPTIMIZER_FILE, run.optimizer_parts, job.model, optimizers)
    return order


class Runner:
    """One process's time with a run."""

    def __init__(self, run: Run, config: FitConfig, device: torch.device):
        self.run, self.config, self.device = run, config, device
        processes = distributed.world_size()
        self.status = Status(
            "starting", "starting", max_steps=config.max_steps, device=device.type, processes=processes
        )
        self.written = 0.0
        self.best = run.directory / "best"  # the checkpoint with the lowest validation loss, if it is asked for
        self.doing, self.micro_batch_size = "training", 0
        self.held_out: tuple[int, dict[str, float]] = (-1, {})  # the latest evaluation and its step

    def run_to_end(self, prepare: Prepare) -> Status:
        """Never raises for what can go wrong in a training: the status says it."""
        try:
            return self.train(prepare)
        except NotFinite as error:
            return self.failed(Failure("not finite", error.step, str(error.value), error.metric))
        except OSError as error:
            return self.failed(Failure("unwritable", self.status.step, str(error)))
        except ValueError as error:
            return self.failed(Failure("refused", self.status.step, str(error)))
        except torch.AcceleratorError as error:  # what is on the device is lost with it
            return self.failed(Failure("device", self.status.step, str(error).splitlines()[0], self.device.type))
        except Exception as error:
            log.exception("unexpected error")
            if isinstance(error, RuntimeError) and distributed.world_size() > 1:  # mostly a connection that broke
                return self.failed(Failure("process", self.status.step, str(error).partition("\n")[0]))
            return self.failed(Failure("unexpected", self.status.step))

    def failed(self, failure: Failure) -> Status:
        return replace(self.status, state="failed", failure=failure)

    def train(self, prepare: Prepare) -> Status:
        self.run.clear_stale_request()
        self.run.clear_leftovers()
        self.say("starting")
        job, optimizers, start = restore(self.run, self.device, prepare, self.say)
        self.run.rewind(start)
        write_json(self.run.references, job.references)
        snapshots = snapshot_steps(job.config.max_steps, job.config.snapshots)
        if checkpoint.is_checkpoint(self.best) and checkpoint.read_card(self.best / "card.json").step > start:
            remove(self.best)  # it will come again
        if distributed.world_size() > 1:
            log.info("%s", self.together(job))
        log.info(
            "%s on %s: %s weights, from step %d", self.run.name, self.device, f"{job.model.config.n_params:,}", start
        )
        step = start
        if step == 0 and step in snapshots:
            self.save_snapshot(job, step, {})
        if step == 0:
            self.write_details(job, step)
        self.go_on(job)
        with interrupt_requests_stop(self.run):
            for entry in job.steps(optimizers, start, self.say):
                step = entry.step
                self.record(job, entry)
                if step in snapshots:  # before the step is saved: a run that resumes from there has it already
                    self.save_snapshot(job, step, {"loss/train": entry.loss})
                if step % job.config.save_interval == 0 and step < job.config.max_steps:
                    self.save_step(job, optimizers, step)
                if self.run.requested() == "pause":
                    self.pause(job, optimizers, step)
                if self.run.requested() == "stop":
                    stopped = step < job.config.max_steps
                    break
                self.go_on(job)
            else:  # all steps are taken, or the stage has seen enough
                stopped = False
        if stopped:
            self.save_step(job, optimizers, step)
            self.finish(job, step, stopped)
            distributed.tell("stop")
            return replace(self.status, state="stopped", step=step, message="saved, and can be resumed")
        if job.config.keep_steps:
            self.save_step(job, optimizers, step)
        kept = self.finish(job, step, stopped)
        distributed.tell("stop")
        message = "all steps taken" if step == job.config.max_steps else f"ended at step {step:,}, by its own rule"
        message += f", the weights of step {kept:,} kept" if kept != step else ""
        self.status = replace(self.status, state="finished", step=step, message=message)
        self.write_status()  # before what it could be resumed from goes
        self.forget_steps(job.config.keep_steps)
        shutil.rmtree(self.best, ignore_errors=True)
        return self.status

    def together(self, job: Job) -> str:
        """How several processes train."""
        each = "a part of the model" if job.shards else "the whole model"
        said = {"cuda": "on a GPU each, connected by NCCL", "cpu": "on the CPU, connected by gloo"}
        return f"{distributed.world_size()} processes {said[self.device.type]}: each has {each}"

    @staticmethod
    def go_on(job: Job) -> None:
        """With the next step, in all processes."""
        if job.shards:
            job.shards.release()
        distributed.tell("go on")

    # --- the parts --------------------------------------------------------------------------------------------

    def record(self, job: Job, entry: StepLog) -> None:
        """Append this step's metrics; evaluate and sample where it is due."""
        metrics = {
            "step": entry.step,
            "loss/train": entry.loss,
            "lr": entry.lr,
            "grad_norm": entry.grad_norm,
            "tokens_per_second": entry.tokens / entry.seconds,
            "micro_batch_size": entry.micro_batch_size,
            "data_wait": entry.data_wait,
            **entry.metrics,
        }
        self.watch_memory(job, entry)
        if memory := distributed.largest(peak_memory(self.device) or 0.0):
            metrics["memory/peak"] = memory
        if peak := peak_flops(self.device):  # model FLOPs utilisation: the share of the hardware's promise
            achieved = metrics["tokens_per_second"] * job.model.config.flops_per_token
            metrics["mfu"] = achieved / (peak * distributed.world_size())
        if entry.step % job.config.eval_interval == 0 or entry.step == job.config.max_steps:
            held_out = self.evaluate(job, entry.step)
            metrics |= held_out
            if job.config.keep_best and held_out["loss/val"] < self.best_loss():
                card = replace(job.card, step=entry.step, report=held_out)
                checkpoint.save(self.best, job.to_checkpoint_model(job.whole()), job.tokenizer, card)
            with uncompiled():
                append_line(self.run.samples, {"step": entry.step, **job.sample(job.whole())})
                self.write_details(job, entry.step)
            described = "  ".join(f"{name} {round(value, 4)}" for name, value in held_out.items())
            log.info("step %d  loss/train %.4f  %s", entry.step, entry.loss, described)
        append_line(self.run.metrics, metrics | {"time": time.time()})
        self.status = replace(self.status, state="running", message=self.doing, step=entry.step)
        if time.monotonic() - self.written > STATUS_INTERVAL:
            self.write_status()

    def write_details(self, job: Job, step: int) -> None:
        if job.details:
            append_line(self.run.details, {"step": step, **job.details(job.whole(), step)})

    def watch_memory(self, job: Job, entry: StepLog) -> None:
        """Say that the loop had to make the micro-batch smaller."""
        rows = -(-job.config.batch_size // distributed.world_size())
        asked = min(job.config.micro_batch_size or rows, rows)
        if entry.micro_batch_size != (self.micro_batch_size or asked):
            self.doing = (
                f"training, in micro-batches of {entry.micro_batch_size} instead of {asked}: "
                f"the {self.device.type}'s memory is too small for more"
            )
            log.info("step %d  out of memory: micro-batches of %d from here on", entry.step, entry.micro_batch_size)
        self.micro_batch_size = entry.micro_batch_size

    def evaluate(self, job: Job, step: int) -> dict[str, float]:
        if self.held_out[0] != step:
            self.held_out = (step, job.evaluate(job.whole()))
        return self.held_out[1]

    def best_loss(self) -> float:
        if not checkpoint.is_checkpoint(self.best):
            return math.inf
        return checkpoint.read_card(self.best / "card.json").report["loss/val"]

    def pause(self, job: Job, optimizers: list[Optimizer], step: int) -> None:
        """Wait, with everything saved, until asked to go on or to stop."""
        self.save_step(job, optimizers, step)
        self.status = replace(self.status, state="paused", message="waiting, with everything saved")
        self.write_status()
        while self.run.requested() == "pause":
            time.sleep(0.1)
        self.status = replace(self.status, state="running", message=self.doing)
        self.write_status()

    def save_step(self, job: Job, optimizers: list[Optimizer], step: int) -> None:
        directory = self.run.step_directory(step)
        if directory.exists():
            return
        with atomic_directory(directory) as temporary:
            checkpoint.write_files(
                temporary, job.to_checkpoint_model(job.whole()), job.tokenizer, replace(job.card, step=step)
            )
            self.save_optimizers(temporary / OPTIMIZER_FILE, job, optimizers)
            lora.save(temporary, job.model)
            job.save_state(temporary)
        self.forget_steps(max(MOST_CAREFUL, job.config.keep_steps))

    def save_optimizers(self, path: Path, job: Job, optimizers: list[Optimizer]) -> None:
        if job.shards is None:
            return save_optimizers(path, job.model, optimizers)
        shutil.rmtree(self.run.optimizer_parts, ignore_errors=True)  # of a process that was killed
        distributed.tell("save optimizers")
        sharding.save_optimizers(path, self.run.optimizer_parts, job.model, optimizers)

    def forget_steps(self, count: int) -> None:
        """Remove all saved steps but the last `count`."""
        saved = self.run.saved_steps()
        for old in saved[: max(0, len(saved) - count)]:
            remove(old)

    def save_snapshot(self, job: Job, step: int, metrics: dict[str, float]) -> None:
        """Keep the weights alone, in half precision, with the step's losses: held-out ones too if it was evaluated."""
        held_out = self.held_out[1] if self.held_out[0] == step else {}
        card = self.card(job, step, metrics | held_out)
        checkpoint.save(
            self.run.snapshot_directory(step), job.to_checkpoint_model(job.whole()), job.tokenizer, card, torch.float16
        )

    @staticmethod
    def card(job: Job, step: int, metrics: dict[str, float]) -> Card:
        return replace(job.card, step=step, report={k: v for k, v in metrics.items() if math.isfinite(v)})

    def finish(self, job: Job, step: int, stopped: bool) -> int:
        """The run directory becomes the checkpoint; returns the step whose weights it holds."""
        self.say("writing the checkpoint")
        if self.held_out[0] != step:
            self.write_details(job, step)
        if checkpoint.is_checkpoint(self.best):
            best = checkpoint.load_any(self.best, self.device)
            model, card = best.model, best.card
        else:
            model, card = job.to_checkpoint_model(job.whole()), self.card(job, step, self.evaluate(job, step))
        if job.report and not stopped:  # who stops a run does not want to wait
            card = replace(card, report=job.report(model))
        dtype = getattr(torch, job.config.save_dtype)
        checkpoint.save(self.run.directory, model, job.tokenizer, card, dtype)
        return card.step

    def say(self, message: str) -> None:
        self.status = replace(self.status, message=message)
        self.write_status()

    def write_status(self) -> None:
        self.run.write_status(self.status)
        self.written = time.monotonic()


@contextmanager
def interrupt_requests_stop(run: Run) -> Iterator[None]:
    """Ctrl-C asks the run to stop after the step it is in, so that what is saved is whole; a second one interrupts.

    A process that was told to ignore Ctrl-C, as a shell tells those in its background, goes on ignoring it: there the
    control file alone asks for a stop.
    """

    def ask(_signal: int, _frame: object) -> None:
        run.request("stop")
        signal.signal(signal.SIGINT, before)

    is_main = threading.current_thread() is threading.main_thread()  # Python tells no other thread of Ctrl-C
    if not is_main or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    except KeyboardInterrupt:
        run.clear_request()  # the stop that the first one asked for is void, whoever resumes wants to go on
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def restore(run: Run, device: torch.device, prepare: Prepare, say: Progress) -> tuple[Job, list[Optimizer], int]:
    """The job, its optimisers and the steps taken so far, from the last saved step that is whole, if there is one.

    Raises ValueError if there are some, and all are damaged.
    """
    first: ValueError | None = None
    for last in run.saved_steps()[::-1]:
        try:
            return restore_from(last, run, device, prepare, say)
        except ValueError as error:
            if not is_damaged(last):
                raise
            log.warning("%s is damaged, so the step saved before it is taken: %s", last.name, error)
            first = first or error
    if first:
        raise first
    return restore_from(None, run, device, prepare, say)


def is_damaged(saved: Path) -> bool:
    """Can a saved step not be read, whatever else may be wrong?"""
    try:
        checkpoint.load_any(saved)
        checkpoint.read_tensors(saved / OPTIMIZER_FILE)
    except ValueError:
        return True
    return False


def restore_from(
    last: Path | None, run: Run, device: torch.device, prepare: Prepare, say: Progress
) -> tuple[Job, list[Optimizer], int]:
    """The same from one saved step, or from the beginning. Raises ValueError if it cannot be gone on from."""
    job = prepare(last, device, say)
    if origin := run.forked_from():
        job = replace(job, card=replace(job.card, data=job.card.data | {"forked_from": origin}))
    job = replace(job, config=fill_memory(job.model, job.config, device), card=name_gpu(job.card, job.config, device))
    if job.config.shard and distributed.world_size() > 1:
        if job.config.batch_size % distributed.world_size():
            raise ValueError(
                "batch_size must be a multiple of the number of processes where the model is in shards, got "
                f"{job.config.batch_size} and {distributed.world_size()}"
            )
        job = replace(job, shards=Shards(job.model))
    optimizers = optimizers_of(job.model, job.config)
    if last is None:
        return job, optimizers, 0
    load = sharding.load_optimizers if job.shards else load_optimizers
    load(last / OPTIMIZER_FILE, job.model, optimizers)
    return job, optimizers, step_number(last)


def name_gpu(card: Card, config: FitConfig, device: torch.device) -> Card:
    """The card, on which stands the GPU, its driver and the precision, if it is one."""
    if device.type != "cuda":
        return card
    precision = "bfloat16" if in_bfloat16(device, config.dtype) else "float32"
    count = f"{distributed.world_size()} x " if distributed.world_size() > 1 else ""
    return replace(card, versions=card.versions | {"GPU": f"{count}{describe_gpu(device)}, {precision}"})


def fill_memory(model: Any, config: FitConfig, device: torch.device) -> FitConfig:
    """A micro_batch_size of 0 becomes the largest that is planned to fit; the loop halves what does not after all."""
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    room = free_memory(device, weights)
    if config.micro_batch_size or room is None:
        return config
    processes = distributed.world_size()
    if device.type == "cpu":
        room /= processes  # all on this machine, as far as is known here
    usable = memory.USABLE[device.type] * room
    fitting = memory.largest_that_fits(model.config, config, device.type, usable, processes)
    size = -round(distributed.largest(-(fitting.micro_batch_size if fitting else 1)))  # where the least is free
    if size < memory.micro_batch_size(config, processes):
        log.info("micro-batches of %d, which the %s's memory is planned to hold", size, device.type)
    return replace(config, micro_batch_size=size)
