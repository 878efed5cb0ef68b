"""What votes do to a chat model, the shipped one or another: a rule votes, the model learns it, and that is counted."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core import checkpoint
from core.checkpoint import Checkpoint
from core.datasets import shakespeare
from core.datasets.preference_files import prompt_messages, write_preferences
from core.datasets.prompts import held_out_prompts
from core.evaluation.instructions import replies
from core.evaluation.language_model import bits_per_byte
from core.evaluation.preferences import response_kl
from core.generate import Sampling
from core.packed_model import PackedGPT
from core.preferences.pair_generation import PAIR_SAMPLING, Writer, simulate
from core.preferences.rule_annotators import RULES
from core.preferences.vote_store import Votes
from core.stages.registry import STAGES, train
from core.training.run_directory import Run

CHAT = Path("checkpoints/bard-chat")
PROMPTS = 300
SAMPLING = Sampling(max_new_tokens=64)  # otherwise as the chat does it when nothing is changed


@dataclass(frozen=True)
class Measured:
    """A model on held-out prompts."""

    rate: float  # share of the answers that the rule likes
    count: int
    words: float  # of an answer, on average
    kl: float  # nats a response from the chat model
    bits_per_byte: float


def voted(directory: Path, rule: str, count: int, parent: Path = CHAT, seed: int = 0) -> Path:
    """A file with the votes of `rule` on answers of the chat model, or of another `parent`."""
    loaded = checkpoint.load(parent)
    writer = Writer(PackedGPT(loaded.model), loaded.tokenizer, parent.name)
    votes = Votes(directory / "preferences.db")
    for _ in simulate(votes, writer, rule, count, PAIR_SAMPLING, seed):
        pass
    write_preferences(directory / "votes.jsonl", votes.preferences())
    return directory / "votes.jsonl"


def trained(directory: Path, stage: str, **changes: Any) -> Run:
    """A run of the stage's own recipe, with `changes`. Raises RuntimeError if it fails."""
    config = STAGES[stage].config
    settings = config().to_dict() | {"parent": str(CHAT), "device": "cpu"} | changes
    run = Run.create(directory / stage, stage, config.from_dict(settings).to_dict())
    if (status := train(run)).state != "finished":
        raise RuntimeError(status.message)
    return run


def measured(
    model: Checkpoint, reference: Checkpoint, rule: str, count: int = PROMPTS, characters: int | None = None
) -> Measured:
    """The model on `count` held-out prompts, and on the first `characters` of each held-out play, or all of it."""
    prompts = held_out_prompts(count)
    answers = replies(model.model, model.tokenizer, prompts, SAMPLING)
    rate = sum(map(RULES[rule].holds, answers)) / len(answers)
    words = sum(len(answer.split()) for answer in answers) / len(answers)
    same = model is reference  # then there is nothing to count
    moved = (
        0.0
        if same
        else response_kl(
            model.model, reference.model, model.tokenizer, list(map(prompt_messages, prompts[:100])), seed=0
        )
    )
    corpus = shakespeare.load("shakespeare")
    unseen = replace(corpus, val=tuple(play[:characters] for play in corpus.val))
    return Measured(rate, len(answers), words, moved, bits_per_byte(model, unseen))
