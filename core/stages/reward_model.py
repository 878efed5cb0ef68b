"""The reward model: a score for an answer, learned from which of two answers people preferred.

    L = -log sigmoid(r(x, y_w) - r(x, y_l))

Ouyang et al. 2022, arXiv:2203.02155, equation 1: y_w was preferred to y_l as the answer to x, and the difference of
their scores says with which probability (Bradley & Terry 1952). A tie is a pair in which either may have won, so that
equal scores are best. Of a vote that says how much better y_w is, the difference may have to be larger by a margin
(Touvron et al. 2023, arXiv:2307.09288, equation 2). Only differences count: `center` may hold the scores around 0
(Eisenstein et al. 2023, arXiv:2312.09244, section 4).

The score is read at the end of the answer, at its <|endoftext|>.

Shapes: P pairs.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.config import Config, setting
from core.datasets.look import look_at_preferences
from core.datasets.preference_files import Preference
from core.datasets.preference_pairs import (
    EncodedPair,
    PairBatch,
    PairBatches,
    PairsConfig,
    preview_pairs,
    read_pairs,
    score_batch,
)
from core.datasets.preview import Preview
from core.datasets.records import ENDINGS
from core.diagnostics.loss_rules import LOSS_RULES
from core.diagnostics.machine_rules import MACHINE_RULES
from core.diagnostics.rlhf_rules import VOTE_RULES
from core.diagnostics.verdict import reward_verdict
from core.evaluation.preferences import vote_metrics
from core.huggingface import REWARD
from core.linear_cross_entropy import IGNORE_INDEX
from core.rlhf.logprobs import bradley_terry, ranked_right
from core.roots import shipped
from core.stages.base import HELD_OUT, About, Metric, Stage
from core.stages.metrics import ACCURACY, MARGIN, REWARDS
from core.training.device import autocast
from core.training.finetuning import FinetuneConfig, classifier, parent_digest
from core.training.loop import FitConfig, Summed
from core.training.runner import Job, Progress

log = logging.getLogger(__name__)
AT_ONCE = 32  # pairs, where nothing is learned
BINS = 5  # of the probabilities, from 1/2 to 1, when they are compared with what happened
SHOWN = 3  # held-out pairs in a sample
RECIPE: dict[str, Any] = dict(max_steps=100, batch_size=16, learning_rate=3e-4, warmup_steps=10, optimizer="adamw")
RECIPE |= dict(weight_decay=0.1, eval_interval=10, save_interval=50, keep_steps=1, snapshots=0, keep_best=True)


@dataclass(frozen=True)
class RewardConfig(Config):
    """Everything that decides what a reward model is."""

    center: float = setting(0.01, "Pull of each pair's two scores towards a sum of 0", low=0.0, high=100.0, fixed=True)
    pairs: PairsConfig = field(default_factory=PairsConfig)
    adapt: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(parent=shipped("bard-chat"), dropout=0.1))
    fit: FitConfig = field(default_factory=lambda: FitConfig(**RECIPE))


def pair_scores(model: SequenceClassifier, batch: PairBatch) -> Tensor:
    """(P, 2): of either answer, read at its end."""
    x = model.transformer(batch.inputs, layout=batch.layout)  # (P, T, C)
    scores: Tensor = model.score(x[batch.targets != IGNORE_INDEX])
    return scores.float().view(-1, 2)


def pair_loss(model: SequenceClassifier, batch: PairBatch, center: float, margin: float = 0.0) -> Summed:
    """The loss summed over pairs, and TRL's metrics. Of a tie, either answer counts as ranked right by half."""
    scores = pair_scores(model, batch)
    ahead = scores[:, 0] - scores[:, 1]
    loss = bradley_terry(ahead - margin * batch.margins, batch.outcomes) + center * scores.sum(1) ** 2
    chosen, rejected = scores.detach().unbind(1)
    metrics = {
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/margins": chosen - rejected,
        "rewards/accuracies": ranked_right(chosen - rejected, batch.outcomes),
    }
    return Summed(loss.sum(), {name: value.sum() for name, value in metrics.items()})


def prepare(config: RewardConfig, saved: Path | None, device: torch.device, say: Progress) -> Job:
    """The training that `config` describes, from its parent or from a saved step."""
    fit, parent, margin = config.fit, Path(config.adapt.parent), config.pairs.margin
    say(f"reading the model {parent}")
    start = classifier(config.adapt, [REWARD], saved, device, fit.seed, rates_answers=True)
    say(f"reading the votes {config.pairs.data}")
    data = read_pairs(config.pairs, start.tokenizer, start.model.config.block_size, fit.seed)
    for problem in data.left_out:
        log.info("left out: %s", problem)

    def evaluate(model: SequenceClassifier) -> dict[str, float]:
        return held_out_metrics(held_out_scores(model, data.val, fit.dtype), data.val, data.val_texts, margin)

    def sample(model: SequenceClassifier) -> dict[str, str]:
        scores = held_out_scores(model, data.val[:SHOWN], fit.dtype)
        return {"prompt": "", "text": describe(data.val_texts[:SHOWN], scores)}

    def details(model: SequenceClassifier, step: int) -> dict[str, Any]:
        margins = decided_margins(held_out_scores(model, data.val, fit.dtype), data.val)
        return {"margins": margins.tolist(), "calibration": calibration(margins)}

    def loss(model: SequenceClassifier, batch: PairBatch) -> Summed:
        return pair_loss(model, batch, config.center, margin)

    digest = parent_digest(config.adapt, saved)
    card = Card("reward", parent.name, config=config.to_dict(), data=data.lineage | {"parent_sha256": digest})
    batches = PairBatches(data.train, fit.batch_size, fit.seed, score_batch)
    references = {} if margin else {"ln 2": math.log(2)}
    return Job(
        model=start.model,
        tokenizer=start.tokenizer,
        batches=batches,
        loss_fn=loss,
        config=fit,
        card=card,
        evaluate=evaluate,
        sample=sample,
        references=references,
        details=details,
    )


# --- held-out votes -------------------------------------------------------------------------------------------


@torch.inference_mode()
def held_out_scores(model: SequenceClassifier, pairs: Sequence[EncodedPair], dtype: str) -> Tensor:
    """(P, 2), dropout off."""
    model.eval()
    scores = []
    for first in range(0, len(pairs), AT_ONCE):
        batch = score_batch(pairs[first : first + AT_ONCE]).to(model.device)
        with autocast(model.device, dtype):
            scores.append(pair_scores(model, batch).cpu())
    return torch.cat(scores)


def decided_margins(scores: Tensor, pairs: Sequence[EncodedPair]) -> Tensor:
    """By how much the preferred answer is ahead, of the pairs that are no ties."""
    decided = torch.tensor([pair.outcome == 1 for pair in pairs])
    return (scores[:, 0] - scores[:, 1])[decided]


def held_out_metrics(
    scores: Tensor, pairs: Sequence[EncodedPair], texts: Sequence[Preference], margin: float = 0.0
) -> dict[str, float]:
    """Loss in nats a pair; how the votes are ranked, and the calibration error. texts: what the pairs say."""
    outcomes, wanted = (torch.tensor([getattr(pair, name) for pair in pairs]) for name in ("outcome", "margin"))
    ahead = scores[:, 0] - scores[:, 1]
    error = calibration_error(calibration(decided_margins(scores, pairs)))
    loss = bradley_terry(ahead - margin * wanted, outcomes).mean().item()
    return {"loss/val": loss} | vote_metrics(ahead, texts) | {"calibration/val": error}


def calibration(margins: Tensor) -> list[dict[str, float]]:
    """Of pairs in which one answer was given about the same probability to win, how often it did.

    margins: of the preferred answers. The more likely winner is the answer with the higher score; each bin that is not
    empty has the mean `predicted` probability, the `observed` share of wins, and the `count` of pairs.
    """
    confidence = torch.sigmoid(margins.abs())
    bins = ((confidence - 0.5) * 2 * BINS).long().clamp(max=BINS - 1)
    found = []
    for number in range(BINS):
        inside = bins == number
        if count := int(inside.sum()):
            observed = (margins[inside] > 0).float().mean().item()
            found.append({"predicted": confidence[inside].mean().item(), "observed": observed, "count": count})
    return found


def calibration_error(bins: Sequence[dict[str, float]]) -> float:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599, equation 3): 0 is honest about its doubts."""
    total = sum(found["count"] for found in bins)
    return sum(found["count"] / total * abs(found["observed"] - found["predicted"]) for found in bins)


def describe(texts: Sequence[Preference], scores: Tensor) -> str:
    """Each prompt with the score of either answer."""
    lines = []
    for text, (chosen, rejected) in zip(texts, scores.tolist(), strict=True):
        verdict = "tie" if text.tie else "preferred"
        scored = f"  {chosen:+.2f} ({verdict}) {text.chosen}\n  {rejected:+.2f} {text.rejected}"
        lines.append(f"{text.prompt_text}\n{scored}")
    return "\n\n".join(lines)


# --- the declaration ------------------------------------------------------------------------------------------


def preview(config: RewardConfig) -> Preview:
    note = "The score is read at the end of an answer, the only place that counts; a higher one for the preferred."
    return preview_pairs(config.pairs, config.adapt.parent, note, read_at_end="score")


STAGE = Stage(
    "reward",
    "Reward model",
    "Teach a model to score answers as people prefer them.",
    RewardConfig,
    prepare,
    lesson="A copy of the model learns to give an answer a score: higher for the answers that you preferred.",
    scores=True,
    sequences_per_example=2,
    loss_unit="nats per pair",
    loss_about="how surprised the reward model is by a vote; ln 2 means pure guessing, and a rise on held-out "
    "votes means that it learns the others by heart.",
    metrics=(
        *REWARDS,
        *MARGIN,
        Metric(
            "calibration/val",
            "calibration error",
            role=HELD_OUT,
            meaning="calibration error on held-out votes",
            curve="held-out votes",
            about=About(
                "Calibration error",
                "how far the model's certainty is from how often it is right; 0 is honest about doubts.",
            ),
        ),
        *ACCURACY,
    ),
    doctor_rules=(*LOSS_RULES, *MACHINE_RULES, *VOTE_RULES),
    verdict=reward_verdict,
    main_settings=("parent", "data", "max_steps", "learning_rate"),
    files=ENDINGS,
    look=look_at_preferences,
    preview=preview,
)
