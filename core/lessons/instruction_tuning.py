"""Instruction tuning: what it teaches, which tokens it learns from, and what a loss mask without the answer's end does.

Obedience is the share of held-out instructions that replies follow, checked by rule (core/datasets/instructions.py). A
chat model is asked as in the chat; its base, which knows no turns, gets the same prompt as a text to go on with, and
what it writes up to the next blank line, where a speech ends in the plays, is its reply.

The mask is tried on a small model that is fine-tuned twice by core.training.loop.fit, from the same weights and on the
same conversations, where nothing differs but which tokens are targets.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from core.chat_template import answer_end
from core.datasets.conversations import ChatBatches, Example, collate, examples
from core.datasets.instructions import KINDS, Dialogue, dialogues, single_instruction_dialogues, split
from core.datasets.messages import Messages
from core.datasets.shakespeare import plays
from core.evaluation.held_out_answers import held_out_answers
from core.evaluation.instructions import REPLY, SIDE_BY_SIDE, replies
from core.generate import Model, batch
from core.model import GPT
from core.preferences.agreement import Rate, rate
from core.roots import shipped
from core.stages.sft import questions
from core.tokenizer import Tokenizer
from core.training.finetuning import FinetuneConfig, language_model
from core.training.loop import FitConfig, fit, language_model_loss, mean_loss

OF_EACH_KIND = 12  # instructions: of six kinds
SPEECH_END = "\n\n"  # in the text of the plays
PARENT = "bard-tiny"
LEARNED_PLAYS, HELD_OUT = 4, 160  # plays to learn from; conversations to measure on
RECIPE: dict[str, Any] = dict(max_steps=100, batch_size=16, learning_rate=1e-3, warmup_steps=10)
RECIPE |= dict(device="cpu", compile="off", snapshots=0)

# --- obedience -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Obedience:
    """Replies to prompts with one instruction each."""

    asked: Sequence[Dialogue]
    replies: Sequence[str]

    def rate(self, kind: str = "") -> Rate:
        """Share of the instructions that were followed, of one kind or of all."""
        pairs = zip(self.asked, self.replies, strict=True)
        outcomes = [
            instruction.is_followed(reply)
            for dialogue, reply in pairs
            for instruction in dialogue.instructions
            if kind in ("", instruction.kind)
        ]
        return rate(sum(outcomes), len(outcomes))

    def kinds(self) -> list[str]:
        """Those that were asked for, in the order of KINDS."""
        asked_for = {instruction.kind for dialogue in self.asked for instruction in dialogue.instructions}
        return [kind for kind in KINDS if kind in asked_for]


def held_out_instructions() -> list[Dialogue]:
    """From the plays that no model here has learned from."""
    return single_instruction_dialogues(split(plays())[1], seed=0, of_each_kind=OF_EACH_KIND)


def chat_obedience(model: Model, tokenizer: Tokenizer, asked: Sequence[Dialogue]) -> Obedience:
    return Obedience(asked, replies(model, tokenizer, [dialogue.prompt for dialogue in asked]))


def base_obedience(model: Model, tokenizer: Tokenizer, asked: Sequence[Dialogue]) -> Obedience:
    """Of a model that continues texts: its reply ends where the next speech would begin."""
    room = model.config.block_size - 1
    encoded = [tokenizer.encode(f"{dialogue.prompt}{SPEECH_END}")[-room:] for dialogue in asked]
    written = list[str]()
    for first in range(0, len(encoded), SIDE_BY_SIDE):
        sampling = replace(REPLY, seed=REPLY.seed + first)
        some = batch(model, encoded[first : first + SIDE_BY_SIDE], sampling, {tokenizer.eot})
        written += [first_speech(tokenizer.decode(ids)) for ids in some]
    return Obedience(asked, written)


def first_speech(text: str) -> str:
    return text.lstrip("\n").partition(SPEECH_END)[0]


# --- which tokens count ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TargetCount:
    """Of some conversations: how many tokens there are, and which of them count in the loss."""

    conversations: int
    tokens: int
    answers: int  # targets that are said
    ends: int  # targets that end an answer

    @property
    def share(self) -> float:
        return (self.answers + self.ends) / self.tokens


def count_targets(tokenizer: Tokenizer, found: Sequence[Example]) -> TargetCount:
    end = answer_end(tokenizer)
    targets = [id for example in found for id, counts in zip(example.ids, example.mask, strict=True) if counts]
    ends = targets.count(end)
    return TargetCount(len(found), sum(len(example.ids) for example in found), len(targets) - ends, ends)


def some_conversations(tokenizer: Tokenizer, block_size: int) -> list[Example]:
    """Those of the first two plays that fit into the context, as they are learned."""
    return examples(tokenizer, [dialogue.messages for dialogue in dialogues(split(plays())[0][:2], 0)], block_size)[0]


# --- the mask --------------------------------------------------------------------------------------------------

Mask = Callable[[Example, int], Example]  # of a conversation, and the id that ends an answer


def whole_answer(example: Example, end: int) -> Example:
    """The right mask: the answer and its end."""
    return example


def without_end(example: Example, end: int) -> Example:
    """The wrong one: the answer, but not its end."""
    return Example(example.ids, [counts and id != end for id, counts in zip(example.ids, example.mask, strict=True)])


def only_end(example: Example, end: int) -> Example:
    """To measure with."""
    return Example(example.ids, [counts and id == end for id, counts in zip(example.ids, example.mask, strict=True)])


@dataclass(frozen=True)
class Material:
    """What both trainings share."""

    parent: Path
    learned: list[Example]
    held_out: list[Example]
    asked: list[Messages]


@dataclass(frozen=True)
class MaskRun:
    """What was seen of a training. Losses are in nats a token."""

    losses: list[float]  # one a step, of what counted
    words: float  # held-out loss on what is said in answers
    ends: float  # held-out loss on what ends them
    answers: list[dict[str, Any]]  # to held-out prompts, see held_out_answers

    @property
    def ended(self) -> Rate:
        """Share of the answers that end by themselves."""
        return rate(sum(answer["ended"] for answer in self.answers), len(self.answers))


def start(parent: Path) -> tuple[GPT, Tokenizer]:
    found = language_model(FinetuneConfig(parent=str(parent)), None, torch.device("cpu"), FitConfig().seed)
    return found.model, found.tokenizer


def read_material(parent: Path | None = None) -> Material:
    """Conversations of a few plays, those that fit into the context of `parent`, the small shipped model."""
    parent = parent or Path(shipped(PARENT))
    model, tokenizer = start(parent)
    learned, held_out = split(plays())
    block_size, measured = model.config.block_size, [d.messages for d in dialogues(held_out, seed=0)[:HELD_OUT]]
    some = [d.messages for d in dialogues(learned[:LEARNED_PLAYS], seed=0)]
    return Material(
        parent,
        examples(tokenizer, some, block_size)[0],
        examples(tokenizer, measured, block_size)[0],
        questions(measured),
    )


def train(material: Material, mask: Mask) -> Generator[float, None, MaskRun]:
    """Fine-tune under this mask; yields the share of the steps that are taken, and returns what was seen."""
    model, tokenizer = start(material.parent)
    end, settings, losses = answer_end(tokenizer), FitConfig(**RECIPE), list[float]()
    learned = [mask(example, end) for example in material.learned]
    batches = ChatBatches(learned, settings.batch_size, settings.seed)
    for step in fit(model, batches, language_model_loss, settings):
        losses.append(step.loss)
        yield step.step / settings.max_steps

    def loss(counted: Mask) -> float:
        return mean_loss(model, [collate([counted(example, end) for example in material.held_out])])

    return MaskRun(losses, loss(without_end), loss(only_end), held_out_answers(model.eval(), tokenizer, material.asked))
