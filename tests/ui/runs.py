"""Runs as a training would have written them, without the training."""

import json
import math
import random
import shutil
import time
from pathlib import Path
from typing import Any

from core.atomic_files import write_json
from core.stages.dpo import DPOConfig
from core.stages.ppo import PPOConfig
from core.stages.pretrain import PretrainConfig
from core.stages.reward_model import RewardConfig
from core.tokenizer import Tokenizer
from core.training.log_lines import append_line
from core.training.run_directory import Run, Status
from tests.helpers.small_chat import make_talker

EVAL_INTERVAL = 50


def keep_small_models(workspace: Path, tokenizer: Tokenizer) -> None:
    """Leave models that compute next to nothing: one whose training can be seen, one that answers."""
    for name in ("bard-base", "bard-sft", "bard-chat"):
        shutil.rmtree(workspace / name)
    make_talker(workspace / "talker", tokenizer)


def write_run(workspace: Path, name: str, steps: int, of: int = 0, state: str = "finished", **config: Any) -> Run:
    """A run that has taken `steps` steps `of` so many (0: all)."""
    run = Run.create(workspace / name, "pretrain", PretrainConfig.preset("nano", device="cpu", **config).to_dict())
    message = "training" if state == "running" else "all steps taken"
    run.write_status(Status(state, message, step=steps, max_steps=of or steps, device="cpu"))
    write_json(run.directory / "references.json", {"uniform": 6.9, "unigram": 5.4})
    add_steps(run, 1, steps)
    return run


def add_steps(run: Run, first: int, last: int, speed: int = 10) -> None:
    """Append the steps `first` to `last`, `speed` a second, with what a real log holds."""
    noise = random.Random(run.name + str(first))
    began = time.time() - last / speed
    with run.metrics.open("a", encoding="utf-8") as metrics, run.samples.open("a", encoding="utf-8") as samples:
        for step in range(first, last + 1):
            loss = 2.4 + 4.5 * math.exp(-((step / 60) ** 0.5))
            line = {"step": step, "loss/train": loss + noise.gauss(0, 0.06), "lr": 1e-2 * min(1, step / 50)}
            line |= {"grad_norm": noise.lognormvariate(0, 0.3), "tokens_per_second": noise.gauss(16_000, 900)}
            if step % EVAL_INTERVAL == 0:
                line |= {"loss/val": loss + 0.2, "bpb/val": (loss + 0.2) / 1.31}
                text = f"What light, says step {step}? 🙂\n<b>No</b> markup."
                samples.write(json.dumps({"step": step, "prompt": "ROMEO:\n", "text": text}) + "\n")
            metrics.write(json.dumps(line | {"time": began + step / speed}) + "\n")


# --- what learns from votes ------------------------------------------------------------------------------------

EVALUATED = 10  # steps between two evaluations of these
PAIRS = 6
CONFIGS = {"reward": RewardConfig, "dpo": DPOConfig, "ppo": PPOConfig}
HOSTILE = "<img src=x onerror=alert(1)> 🙂"  # which must stay text


def write_aligned(
    workspace: Path, name: str, stage: str, steps: int = 40, state: str = "finished", **config: Any
) -> Run:
    """A run of a stage that learns from votes, with details as the stage writes them."""
    values = {"parent": str(workspace / "bard-chat"), "device": "cpu", "max_steps": steps, **config}
    run = Run.create(workspace / name, stage, CONFIGS[stage].from_dict(values).to_dict())
    run.write_status(Status(state, "all steps taken", step=steps, max_steps=steps, device="cpu"))
    if stage != "ppo":
        write_json(run.directory / "references.json", {"ln 2": math.log(2)})
    append_line(run.details, {"step": 0} | DETAILS[stage](0))
    add_aligned_steps(run, stage, 1, steps)
    return run


def add_aligned_steps(run: Run, stage: str, first: int, last: int) -> None:
    for step in range(first, last + 1):
        append_line(run.metrics, {"step": step, "lr": 1e-4, "grad_norm": 1.0} | METRICS[stage](step, last))
        if step % EVALUATED == 0:
            append_line(run.details, {"step": step} | DETAILS[stage](step))
            append_line(run.samples, {"step": step, "prompt": "What say you?\n\n", "text": HOSTILE})


def reward_metrics(step: int, steps: int) -> dict[str, float]:
    margin = 4 * step / steps
    line = {
        "loss/train": math.log(1 + math.exp(-margin)),
        "rewards/chosen": margin / 2,
        "rewards/rejected": -margin / 2,
    }
    line |= {"rewards/margins": margin, "rewards/accuracies": min(1.0, 0.5 + step / steps)}
    held_out = {"loss/val": 0.3, "accuracy/val": 0.8, "margin/val": margin / 2, "calibration/val": 0.1}
    return line | (held_out if step % EVALUATED == 0 else {})


def dpo_metrics(step: int, steps: int) -> dict[str, float]:
    line = reward_metrics(step, steps) | {"logps/chosen": -40.0 - step / 4, "logps/rejected": -42.0 - step}
    line.pop("calibration/val", None)
    return line | ({"kl/val": step / 10} if step % EVALUATED == 0 else {})


def ppo_metrics(step: int, steps: int) -> dict[str, float]:
    line = {"loss/train": 0.1, "loss/policy": 0.0, "loss/value": 0.4, "policy/clipfrac": 0.1, "policy/approxkl": 0.01}
    line |= {"val/ratio": 1.0}
    score, moved = 2 * step / steps, step / 8
    if step % 4 == 0:
        line |= {"objective/kl": moved, "objective/entropy": 40.0 - step / 2, "objective/scores": score}
        line |= {"objective/rlhf_reward": score - 0.2 * moved, "objective/kl_coef": 0.2}
        line |= {"val/length": 14.0, "val/repetition": 0.05, "val/eos": 0.9}
    return line | ({"kl/val": moved * 0.9, "score/val": score * 0.9} if step % EVALUATED == 0 else {})


def reward_details(step: int) -> dict[str, Any]:
    margins = [step / 10 + i - 3 for i in range(PAIRS)]
    return {"margins": margins, "calibration": [{"predicted": 0.6, "observed": 0.5, "count": 2 + step // 10}]}


def dpo_details(step: int) -> dict[str, Any]:
    """At the end the margin has grown in 4 of 6 pairs, and in 3 of these the preferred answer has fallen."""
    ends = [(2.0, -4.0), (-1.0, -6.0), (-2.0, -5.0), (-3.0, -8.0), (-4.0, -1.0), (1.0, 3.0)]
    pairs = [{"chosen": chosen * step / 40, "rejected": rejected * step / 40} for chosen, rejected in ends]
    texts = [
        {"prompt": f"Prompt {i + 1} {HOSTILE}", "chosen": f"Preferred {i + 1}", "rejected": f"Rejected {i + 1}"}
        for i in range(PAIRS)
    ]
    return {"pairs": pairs, "answers": answers(step)} | ({"texts": texts} if step == 0 else {})


def answers(step: int) -> list[dict[str, Any]]:
    """To eight held-out prompts: the first five change with the first evaluation."""
    said = [f"Now {i}. {HOSTILE}" if step and i < 5 else f"I say what I have always said, {i}." for i in range(8)]
    return [{"prompt": f"Held out {i} {HOSTILE}", "text": text, "ended": True} for i, text in enumerate(said)]


def ppo_details(step: int) -> dict[str, Any]:
    if step == 0:
        return {"rollouts": []}
    tokens = [part.encode().hex() for part in ("Why", ", my", " lord", "?", "<|endoftext|>")]
    rollout = {"tokens": tokens, "kl": [2.0, -2.0, 0.0, 0.5, 0.1], "advantages": [-1.0, 0.0, 1.0, 0.2, 0.3]}
    return {
        "rollouts": [
            rollout | {"prompt": f"Cue {i} {HOSTILE}", "score": i + step / 100, "ended": i > 0} for i in (0, 1)
        ]
    }


METRICS = {"reward": reward_metrics, "dpo": dpo_metrics, "ppo": ppo_metrics}
DETAILS = {"reward": reward_details, "dpo": dpo_details, "ppo": ppo_details}
