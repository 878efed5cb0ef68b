"""Supervised fine-tuning: from a model that continues texts to one that answers, and does what it is told.

Only the answers count in the loss (core/datasets/conversations.py). Ouyang et al. 2022, arXiv:2203.02155, section 3.5,
step 1.
"""

import functools
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch

from core.chat_template import ALPACA, AUTO, CHAT, template_of, with_template
from core.checkpoint import Card, read_config
from core.config import Config, setting
from core.datasets import shakespeare as corpora
from core.datasets.conversation_files import Conversations, read_conversations
from core.datasets.conversations import ChatBatches, Example, collate, examples
from core.datasets.instructions import KINDS, dialogues, split
from core.datasets.look import look_at_conversations
from core.datasets.messages import Messages, describe_messages
from core.datasets.preview import SHOWN, Preview, read_facts, show_example
from core.datasets.recognised import Recognised
from core.datasets.records import ENDINGS
from core.datasets.shakespeare import Corpus
from core.diagnostics.verdict import sft_verdict
from core.evaluation.held_out_answers import MOST_PROMPTS, held_out_answers
from core.evaluation.instructions import evaluate_instructions, replies
from core.length_buckets import by_length
from core.model import GPT
from core.skills.instructions import OBEYS
from core.stages.base import HELD_OUT, Metric, Stage
from core.tokenizer import Tokenizer
from core.training.finetuning import FinetuneConfig, language_model, parent_digest
from core.training.loop import FitConfig, language_model_loss, mean_loss
from core.training.runner import Job, Progress

log = logging.getLogger(__name__)
PLAYS = "plays"
OFTEN, ONCE = 10, 100  # checkable instructions of each kind: at every evaluation, and at the end
MOST_HELD_OUT = 500  # conversations on which the loss is measured
# What bard-base wants: as large steps as its pre-training took, and many of them: the plays it knows, obeying is new.
RECIPE: dict[str, Any] = dict(max_steps=4000, batch_size=16, learning_rate=1.5e-3, warmup_steps=100, optimizer="adamw")
RECIPE |= dict(weight_decay=0.01, eval_interval=400, save_interval=400, keep_steps=1, snapshots=0, save_dtype="float16")


@dataclass(frozen=True)
class SFTConfig(Config):
    """Everything that decides what an instruction fine-tuning makes."""

    data: str = setting(
        PLAYS,
        "plays = dialogues from Shakespeare with checkable instructions; or a file of conversations in a usual layout",
        refers="corpus",
        fixed=True,
    )
    variants: int = setting(
        3, "plays: how often each reply comes, with other instructions each time", low=1, high=100, fixed=True
    )
    val_share: float = setting(0.05, "Own file: share of the conversations held out", low=0.001, high=0.5, fixed=True)
    skip_bad_lines: bool = setting(
        False, "Own file: leave out lines that cannot be read instead of stopping", fixed=True
    )
    template: str = setting(
        AUTO,
        "What stands around each message: chat = special tokens, added to a vocabulary that lacks them; alpaca = plain "
        "text, ### Instruction: and ### Response:; auto = as the parent was taught, else chat",
        choices=(AUTO, CHAT.name, ALPACA.name),
        fixed=True,
    )
    sample_prompt: str = setting(
        'What say you, my lord?\n\nAnswer as "HAMLET", in two lines.', "What the model is asked at each evaluation"
    )
    adapt: FinetuneConfig = field(default_factory=FinetuneConfig)
    fit: FitConfig = field(default_factory=lambda: FitConfig(**RECIPE))


@dataclass(frozen=True)
class Data:
    """Conversations to learn from and held out, as tokens; and what was left out of them."""

    train: list[Example]
    val: list[Example]
    too_long: int
    problems: list[str]
    asked: list[Messages]  # what is held out, up to the first answer
    measure: Callable[[GPT, int], dict[str, float]]  # obedience, with so many instructions of each kind
    recognised: Recognised = field(default_factory=Recognised)  # how a file was read


def prepare(config: SFTConfig, saved: Path | None, device: torch.device, say: Progress) -> Job:
    """The fine-tuning that `config` describes, from its parent or from a saved step."""
    fit = config.fit
    say(f"reading the model {config.adapt.parent}")
    start = language_model(config.adapt, saved, device, fit.seed, config.template)
    tokenizer = start.tokenizer
    say(f"reading the conversations: {config.data}")
    data = read(config, tokenizer, start.model.config.block_size)
    groups = by_length([len(example.ids) for example in data.val], fit.micro_batch_size or fit.batch_size)
    held_out = [collate([data.val[i] for i in group]) for group in groups]

    def evaluate(model: GPT) -> dict[str, float]:
        return on_conversations(model) | data.measure(model, OFTEN)

    def report(model: GPT) -> dict[str, float]:
        return on_conversations(model) | data.measure(model, ONCE)

    def on_conversations(model: GPT) -> dict[str, float]:
        return {"loss/val": mean_loss(model, held_out, fit.dtype), "n/conversations": len(data.val)}

    def details(model: GPT, step: int) -> dict[str, Any]:
        return {"answers": held_out_answers(model, tokenizer, data.asked)}

    def sample(model: GPT) -> dict[str, str]:
        answer = replies(model, tokenizer, [config.sample_prompt])[0]
        return {"prompt": f"{config.sample_prompt}\n\n", "text": answer}  # one is shown below the other

    parent = Path(config.adapt.parent)
    card = Card(
        "sft",
        parent.name,
        config=config.to_dict(),
        data={"data": config.data, "parent_sha256": parent_digest(config.adapt, saved)},
    )
    for problem in data.problems:
        log.info("%s: %s", config.data, problem)
    if data.too_long:
        log.info("%s: %d conversations are longer than the context and left out", config.data, data.too_long)
    batches = ChatBatches(data.train, fit.batch_size, fit.seed)
    references = {"uniform": math.log(tokenizer.vocab_size)}
    return Job(
        model=start.model,
        tokenizer=tokenizer,
        batches=batches,
        loss_fn=language_model_loss,
        config=fit,
        card=card,
        evaluate=evaluate,
        sample=sample,
        references=references,
        report=report,
        details=details,
    )


def read(config: SFTConfig, tokenizer: Tokenizer, block_size: int) -> Data:
    """The conversations that the configuration names. Raises ValueError in words for a file that cannot be used."""
    data = (from_plays if config.data == PLAYS else from_file)(config, tokenizer, block_size)
    if not data.train or not data.val:
        raise ValueError(
            f"all conversations of {Path(config.data).name} to {'measure on' if data.train else 'learn from'} are "
            f"longer than the context of {block_size} tokens: give shorter ones, or more"
        )
    return data


def from_file(config: SFTConfig, tokenizer: Tokenizer, block_size: int) -> Data:
    found: Conversations = read_conversations(config.data, config.skip_bad_lines, template_of(tokenizer).input_heading)
    learned, held_out = found.split(config.val_share, config.fit.seed)
    (train, long), (val, _) = (examples(tokenizer, part, block_size) for part in (learned, held_out))
    asked = questions(held_out)
    return Data(train, val[:MOST_HELD_OUT], long, found.problems, asked, lambda model, count: {}, found.recognised)


def from_plays(config: SFTConfig, tokenizer: Tokenizer, block_size: int) -> Data:
    learned, held_out = split(corpora.plays())
    train, long = examples(
        tokenizer, [d.messages for d in dialogues(learned, config.fit.seed, config.variants)], block_size
    )
    measured = [d.messages for d in dialogues(held_out, seed=0)[:MOST_HELD_OUT]]
    val, _ = examples(tokenizer, measured, block_size)
    asked = questions(measured)
    return Data(train, val, long, [], asked, lambda model, count: evaluate_instructions(model, tokenizer, count))


def questions(conversations: Sequence[Messages]) -> list[Messages]:
    """What each conversation says before its first answer, spread over all of them; no question comes twice."""
    spread = conversations[:: max(1, len(conversations) // MOST_PROMPTS)]
    asked = (list(takewhile(lambda said: said["role"] != "assistant", messages)) for messages in spread)
    return list({describe_messages(messages): messages for messages in asked if messages}.values())


def learned_text(config: SFTConfig) -> Corpus:
    """The answers, each a document; of the plays, from whose speeches they come, the plays themselves."""
    if config.data == PLAYS:
        return corpora.load("shakespeare")
    found = read_conversations(config.data, config.skip_bad_lines)
    learned, held_out = map(answers_in, found.split(config.val_share, config.fit.seed))
    return Corpus(found.name, learned, held_out)


def answers_in(conversations: Sequence[Messages]) -> tuple[str, ...]:
    said = (message for messages in conversations for message in messages)
    return tuple(message["content"] for message in said if message["role"] == "assistant")


def preview(config: SFTConfig) -> Preview:
    path = Path(config.data).expanduser()
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return cached_preview(
        config.data, config.adapt.parent, config.template, changed, config.skip_bad_lines, config.val_share
    )


@functools.lru_cache(maxsize=8)
def cached_preview(
    data: str, parent: str, template: str, changed: int, skip_bad_lines: bool, val_share: float
) -> Preview:
    tokenizer = with_template(Tokenizer.load(parent), template)
    block_size = read_config(Path(parent) / "config.json").block_size
    if data == PLAYS:
        learned, _ = split(corpora.plays())
        few = [dialogue.messages for dialogue in dialogues(learned[:2], seed=0)]
        chosen, too_long = examples(tokenizer, few, block_size)
        counts: list[tuple[str, int | str]] = [
            ("plays to learn from", len(learned)),
            ("dialogues in the first two", len(few)),
        ]
        problems: list[str] = []
    else:
        config = SFTConfig.from_dict({"data": data, "skip_bad_lines": skip_bad_lines, "val_share": val_share})
        found = read(config, tokenizer, block_size)
        chosen, too_long, problems = found.train, found.too_long, found.problems
        counts = [*read_facts(found.recognised), ("to learn from", len(found.train)), ("held out", len(found.val))]
    if not chosen:
        raise ValueError(f"all dialogues are longer than the context of {block_size} tokens: choose another model")
    targets, tokens = sum(sum(e.mask) for e in chosen), sum(len(e.ids) for e in chosen)
    return Preview(
        [
            *counts,
            ("tokens in each, on average", round(tokens / len(chosen))),
            ("of them count in the loss", f"{targets / tokens:.0%}"),
            ("longer than the context, left out", too_long),
        ],
        [show_example(tokenizer, example) for example in chosen[:: max(1, len(chosen) // SHOWN)][:SHOWN]],
        "Only the answers count in the loss: the model learns to answer and to stop, not to ask.",
        problems,
        mean_length=tokens / len(chosen),
    )


STAGE = Stage(
    "sft",
    "Instructions",
    "Teach a language model to answer and to follow instructions.",
    SFTConfig,
    prepare,
    lesson="From a model that continues texts to one that answers and obeys: only the answers are lessons.",
    answers=True,
    stem="chat",
    learned_text=learned_text,
    loss_unit="nats per answer token",
    metrics=(
        Metric(
            "follow/all",
            "followed",
            "share",
            HELD_OUT,
            "instructions followed",
            late=True,
            counted=("n/instructions",),
        ),
        Metric(
            "context",
            "true pairs likelier",
            "share",
            HELD_OUT,
            "true replies told from swapped ones",
            late=True,
            counted=("n/replies",),
        ),
        *(Metric(f"follow/{kind}", f"followed: {kind}", "share", HELD_OUT, late=True) for kind in KINDS),
    ),
    verdict=sft_verdict,
    skills=(OBEYS.name,),
    main_settings=("parent", "data", "template", "method", "max_steps", "learning_rate"),
    offers=(PLAYS,),
    files=ENDINGS,
    look=look_at_conversations,
    preview=preview,
)
