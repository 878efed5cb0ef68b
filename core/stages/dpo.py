"""Direct preference optimisation: from pairs of answers straight to a policy, without a reward model.

    L = -log sigmoid(beta ((log pi(y_w|x) - log ref(y_w|x)) - (log pi(y_l|x) - log ref(y_l|x))))

Rafailov et al. 2023, arXiv:2305.18290, equation 7: y_w was preferred to y_l as the answer to x, pi is what learns, ref
what it was before. beta (log pi - log ref) is the reward that the policy implies (equation 5), so this is the loss of
a reward model. A tie is a pair of which either answer may be the better one: outcome 1/2.

Other losses on the same data, by `loss_type`: IPO, and without a reference SimPO and ORPO. KTO learns from single
answers that were called good or bad (core/datasets/thumb_pairs.py).

Of a vote that says how much better y_w is, the margin of rewards may have to be larger by an offset (ODPO: Amini et
al. 2024, arXiv:2402.10571, equation 8): `margin` times what the vote says, taken off before the sigmoid.

Log-probabilities are sums over the answer's tokens, not means, unless loss_type says so. The prompt is masked: only
answers count.

Shapes: P pairs; in (P, 2) the preferred answer comes first.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.checkpoint import Card
from core.config import Config, setting
from core.datasets.look import look_at_preferences
from core.datasets.preference_files import Preference
from core.datasets.preference_pairs import (
    EncodedPair,
    PairBatch,
    PairBatches,
    Pairs,
    PairsConfig,
    leave_out,
    likelihood_batch,
    preview_pairs,
    read_pairs,
)
from core.datasets.preview import Preview
from core.datasets.records import ENDINGS
from core.datasets.thumb_pairs import preview_thumbs, read_thumb_pairs
from core.datasets.thumbs import Thumb
from core.diagnostics.loss_rules import LOSS_RULES
from core.diagnostics.machine_rules import MACHINE_RULES
from core.diagnostics.rlhf_rules import DPO_RULES
from core.diagnostics.verdict import dpo_verdict
from core.evaluation.held_out_answers import held_out_answers
from core.evaluation.instructions import replies
from core.evaluation.preferences import response_kl, vote_metrics
from core.model import GPT
from core.rlhf.logprobs import bradley_terry, logprobs_of, ranked_right
from core.rlhf.preference_losses import kto_margins, orpo_loss
from core.roots import shipped
from core.stages.base import About, AgainstKL, Metric, Stage
from core.stages.metrics import ACCURACY, KL_HELD_OUT, MARGIN, REWARDS
from core.tokenizer import Tokenizer
from core.training.device import autocast
from core.training.finetuning import FinetuneConfig, language_model, reference_model
from core.training.loop import FitConfig, Summed
from core.training.runner import Job, Progress

log = logging.getLogger(__name__)
MEASURED_PROMPTS = 32  # held-out prompts that are answered to see how far the policy has moved
SHOWN_PAIRS = 60  # held-out pairs whose movement is kept for the page
AT_ONCE = 32  # pairs, where nothing is learned
RECIPE: dict[str, Any] = dict(max_steps=60, batch_size=16, learning_rate=1e-4, warmup_steps=6, optimizer="adamw")
RECIPE |= dict(weight_decay=0.0, eval_interval=10, save_interval=20, keep_steps=1, snapshots=0, save_dtype="float16")


@dataclass(frozen=True)
class DPOConfig(Config):
    """Everything that decides what a direct preference optimisation makes."""

    beta: float = setting(
        0.1, "Penalty for moving away from the parent; smaller lets it move more", low=1e-4, high=100.0, fixed=True
    )
    loss_type: str = setting(
        "sigmoid",
        "From pairs: sigmoid: DPO as published; sigmoid_norm: means over an answer's tokens instead of sums, where "
        "lengths differ, with a beta of 2 or more; ipo: a margin to reach instead of one to grow for ever, safer with "
        "few votes; simpo: such means without the parent as reference, with a beta of 2 and a margin of simpo_gamma; "
        "orpo: imitates the preferred answer and sets the odds of the two apart, without a reference. From thumbs: "
        "kto: a good answer is to become likelier than by the parent, a bad one less likely; of a pair it reads one "
        "thumb up and one down",
        choices=("sigmoid", "sigmoid_norm", "ipo", "simpo", "orpo", "kto"),
        fixed=True,
    )
    simpo_gamma: float = setting(
        0.5, "SimPO: how far ahead the preferred answer must be, in rewards", low=0.0, high=100.0, fixed=True
    )
    up_weight: float = setting(
        0.0,
        "KTO: how much a thumb up counts beside a thumb down; 0: so that both kinds weigh alike, however many they are",
        low=0.0,
        high=100.0,
        fixed=True,
    )
    label_smoothing: float = setting(
        0.0,
        "Share of the votes that are taken to be mistakes (conservative DPO)",
        low=0.0,
        high=0.49,
        fixed=True,
    )
    leave_out: str = setting(
        "",
        "Numbers of votes in the file that teach nothing, with commas: the rest is learned as if they were there",
        fixed=True,
    )
    sample_prompt: str = setting("What say you, my lord?", "What the model is asked at each evaluation")
    pairs: PairsConfig = field(default_factory=PairsConfig)
    adapt: FinetuneConfig = field(default_factory=lambda: FinetuneConfig(parent=shipped("bard-chat")))
    fit: FitConfig = field(default_factory=lambda: FitConfig(**RECIPE))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss_type == "ipo" and self.pairs.margin:
            raise ValueError(
                f"loss_type ipo has a margin of its own, 1 / (2 beta): set margin {self.pairs.margin} to 0"
            )
        if self.loss_type == "kto" and (self.pairs.margin or self.label_smoothing):
            name = "margin" if self.pairs.margin else "label_smoothing"
            raise ValueError(f"loss_type kto reads single answers, of which {name} says nothing: set {name} to 0")
        if self.loss_type == "kto" and self.leave_out:
            raise ValueError("leave_out numbers votes between two answers, of which loss_type kto reads none: empty it")

    @property
    def has_reference(self) -> bool:
        """Is the parent asked how likely it finds the answers?"""
        return self.loss_type not in ("simpo", "orpo")

    @property
    def begins_at_ln_2(self) -> bool:
        return self.loss_type in ("sigmoid", "sigmoid_norm") and not self.pairs.margin


def dpo_loss(moved: Tensor, outcomes: Tensor, config: DPOConfig, margins: Tensor | float = 0.0) -> Tensor:
    """The loss of each pair, (P,).

    moved (P, 2): log pi(y|x) - log ref(y|x) in nats, see `by_length`; without a reference log pi(y|x). outcomes (P,):
    1, or 1/2 for a tie. margins (P,): how much better the vote calls the preferred answer. Label smoothing: Mitchell
    2023, "A note on DPO with noisy preferences". IPO: Azar et al. 2023, arXiv:2310.12036, equation 17: the margin
    should be 1 / (2 beta), 0 for a tie. SimPO: Meng et al. 2024, arXiv:2405.14734, equation 6. ORPO: `orpo_loss`.
    """
    ahead = moved[:, 0] - moved[:, 1]
    believed = outcomes * (1 - config.label_smoothing) + (1 - outcomes) * config.label_smoothing
    if config.loss_type == "ipo":
        return (ahead - (2 * believed - 1) / (2 * config.beta)) ** 2
    if config.loss_type == "orpo":
        return orpo_loss(moved, outcomes, believed, config.beta)
    wanted = config.pairs.margin * margins
    if config.loss_type == "simpo":
        wanted = wanted + config.simpo_gamma * (2 * outcomes - 1)  # of a tie, no margin is best
    return bradley_terry(config.beta * ahead - wanted, believed)


def by_length(moved: Tensor, lengths: Tensor, config: DPOConfig) -> Tensor:
    """Log-ratios (P, 2) of answers of so many tokens (P, 2) as the loss reads them: with some losses, their means.

    Sums of many terms move farthest, so that where short answers win it pays to make any long one unlikelier, whatever
    it says. "Length-normalized DPO" of Lambert et al. 2024, arXiv:2411.15124, after Meng et al. 2024, arXiv:2405.14734.
    """
    return moved / lengths if config.loss_type in ("sigmoid_norm", "simpo", "orpo") else moved


def pair_logprobs(model: GPT, batch: PairBatch) -> Tensor:
    """Log-probability of either answer in nats, (P, 2)."""
    return batch.by_answer(logprobs_of(model, model.hidden(batch.inputs, layout=batch.layout), batch.targets))


def pair_loss(model: GPT, batch: PairBatch, config: DPOConfig) -> Summed:
    """The loss summed over pairs, and TRL's metrics. Of a tie, either answer counts as ranked right by half."""
    logps = pair_logprobs(model, batch)
    moved = by_length(logps - batch.reference, batch.lengths, config)
    if config.loss_type == "kto":
        margins = kto_margins(moved, batch.outcomes, config.beta)
        right = ranked_right(margins.detach(), torch.ones_like(margins))
        found = {"rewards/margins": margins.detach().sum(), "rewards/accuracies": right.sum()}
        return Summed((batch.weights * torch.sigmoid(-margins)).sum(), found)
    chosen, rejected = (config.beta * moved).detach().unbind(1)
    metrics = {
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/margins": chosen - rejected,
        "rewards/accuracies": ranked_right(chosen - rejected, batch.outcomes),
        "logps/chosen": logps[:, 0],
        "logps/rejected": logps[:, 1],
    }
    loss = (batch.weights * dpo_loss(moved, batch.outcomes, config, batch.margins)).sum()
    return Summed(loss, {name: value.sum() for name, value in metrics.items()})


def prepare(config: DPOConfig, saved: Path | None, device: torch.device, say: Progress) -> Job:
    """The optimisation that `config` describes, from its parent or from a saved step."""
    fit, parent = config.fit, Path(config.adapt.parent)
    say(f"reading the model {parent}")
    start = language_model(config.adapt, saved, device, fit.seed)
    reference, digest = reference_model(config.adapt, saved, device)
    say(f"reading the votes {config.pairs.data}")
    data = read_data(config, start.tokenizer, start.model.config.block_size)
    for problem in data.left_out:
        log.info("left out: %s", problem)
    train, val = data.train, data.val
    if config.has_reference:
        say("asking the parent how likely it finds the answers")
        train, val = (with_reference(reference, part, fit.dtype) for part in (train, val))

    def evaluate(model: GPT) -> dict[str, float]:
        moved = response_kl(model, reference, start.tokenizer, data.val_prompts[:MEASURED_PROMPTS], seed=fit.seed)
        return held_out_metrics(model, val, data.val_texts, config) | {"kl/val": moved}

    def sample(model: GPT) -> dict[str, str]:
        answer = replies(model, start.tokenizer, [config.sample_prompt])[0]
        return {"prompt": f"{config.sample_prompt}\n\n", "text": answer}

    looked_at = val[:SHOWN_PAIRS]  # whose movement since the parent the page shows, whatever is learned from
    if not config.has_reference:
        looked_at = with_reference(reference, looked_at, fit.dtype)

    def details(model: GPT, step: int) -> dict[str, Any]:
        answers = {"answers": held_out_answers(model, start.tokenizer, data.val_prompts)}
        if config.loss_type == "kto":
            return answers
        moved = log_ratios(model, looked_at, fit.dtype).tolist()
        shown = data.val_texts[:SHOWN_PAIRS] if step == 0 else []
        texts = [asdict(text) | {"prompt": text.prompt_text} for text in shown]
        pairs = [{"chosen": c, "rejected": r} for c, r in moved]
        return {"pairs": pairs} | answers | ({"texts": texts} if texts else {})

    def loss(model: GPT, batch: PairBatch) -> Summed:
        return pair_loss(model, batch, config)

    batches = PairBatches(train, fit.batch_size, fit.seed, likelihood_batch)
    card = Card("dpo", parent.name, config=config.to_dict(), data=data.lineage | {"parent_sha256": digest})
    references = {"ln 2": math.log(2)} if config.begins_at_ln_2 else {}
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


def read_data(config: DPOConfig, tokenizer: Tokenizer, block_size: int) -> Pairs:
    """Votes, or thumbs, as the loss reads them. Raises ValueError in words if they are too few or of one kind."""
    seed = config.fit.seed
    if config.loss_type == "kto":
        return read_thumb_pairs(config.pairs, config.up_weight, tokenizer, block_size, seed)
    found = read_pairs(config.pairs, tokenizer, block_size, seed)
    if not config.leave_out:
        return found
    train = leave_out(found.train, config.leave_out)
    return replace(found, train=train, lineage=found.lineage | {"votes left out": config.leave_out})


def with_reference(reference: GPT, pairs: list[EncodedPair], dtype: str) -> list[EncodedPair]:
    """The pairs with the reference's log-probabilities: it never changes, so it is asked once."""
    known = log_ratios(reference, pairs, dtype)
    return [replace(pair, reference=(c, r)) for pair, (c, r) in zip(pairs, known.tolist(), strict=True)]


@torch.inference_mode()
def log_ratios(model: GPT, pairs: Sequence[EncodedPair], dtype: str) -> Tensor:
    """(P, 2): log-probability of the answers in nats, less that by the reference where it is known."""
    model.eval()
    order = sorted(range(len(pairs)), key=lambda i: pairs[i].n_tokens)
    moved = torch.zeros(len(pairs), 2)
    for first in range(0, len(order), AT_ONCE):
        some = order[first : first + AT_ONCE]
        batch = likelihood_batch([pairs[i] for i in some]).to(model.device)
        with autocast(model.device, dtype):
            logps = pair_logprobs(model, batch)
        moved[some] = (logps.float() - batch.reference).cpu()
    return moved


def held_out_metrics(
    model: GPT, pairs: Sequence[EncodedPair], texts: Sequence[Preference | Thumb], config: DPOConfig
) -> dict[str, float]:
    """Loss in nats a pair; how the votes are ranked by the rewards. texts: what the pairs say."""
    lengths = torch.tensor([pair.lengths for pair in pairs])
    moved = by_length(log_ratios(model, pairs, config.fit.dtype), lengths, config)
    columns = (torch.tensor([getattr(pair, name) for pair in pairs]) for name in ("outcome", "margin", "weight"))
    outcomes, wanted, weights = columns
    if config.loss_type == "kto":
        margins = kto_margins(moved, outcomes, config.beta)
        return {"loss/val": (weights * torch.sigmoid(-margins)).mean().item()} | vote_metrics(margins, texts)
    loss = dpo_loss(moved, outcomes, config, wanted).mean().item()
    return {"loss/val": loss} | vote_metrics(config.beta * (moved[:, 0] - moved[:, 1]), texts)


# --- the declaration ------------------------------------------------------------------------------------------


def preview(config: DPOConfig) -> Preview:
    if config.loss_type == "kto":
        return preview_thumbs(config.pairs, config.adapt.parent)
    note = "Only the answers count: the preferred one is to become likelier than the other, measured from the parent."
    return preview_pairs(config.pairs, config.adapt.parent, note)


STAGE = Stage(
    "dpo",
    "DPO",
    "Bend a chat model to preferences, without a reward model.",
    DPOConfig,
    prepare,
    lesson="The model itself learns from your votes: the preferred answer becomes likelier than the rejected one.",
    needs="DPO needs votes alone; with loss_type kto, thumbs are enough.",
    answers=True,
    frozen_models=lambda config: 1,  # the parent
    sequences_per_example=2,
    loss_unit="nats per pair",
    loss_about="how surprised the model is by a vote, as a reward model; it begins at ln 2, with kto at 1/2.",
    metrics=(
        KL_HELD_OUT,
        *REWARDS,
        *MARGIN,
        Metric(
            "logps/chosen",
            "log-probability",
            "nats",
            curve="preferred answers",
            panel="logps",
            about=About(
                "Log-probability", "how likely the model finds the answers of the votes; both may fall while they part."
            ),
        ),
        Metric("logps/rejected", "log-probability", "nats", curve="rejected answers", panel="logps"),
        *ACCURACY,
    ),
    against_kl=AgainstKL(
        "Margin against KL",
        "what the movement buys. Up means that the held-out votes are told apart more "
        "clearly, and to the right is farther from the parent: the best step is high up and not far to the right.",
        "mean margin on held-out votes",
        (("kl/val", "margin/val", "held-out"),),
    ),
    doctor_rules=(*LOSS_RULES, *MACHINE_RULES, *DPO_RULES),
    verdict=dpo_verdict,
    main_settings=("parent", "data", "loss_type", "beta", "max_steps", "learning_rate"),
    files=ENDINGS,
    look=look_at_preferences,
    preview=preview,
)
