"""Instruction tuning at a tiny size: what follows, what counts, and trainings that differ in the mask alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core import checkpoint
from core.chat_template import answer_end
from core.checkpoint import Card
from core.datasets.conversations import Example, examples
from core.datasets.instructions import Dialogue, Instruction
from core.evaluation.instructions import REPLY, instruction_following
from core.lessons import instruction_tuning
from core.lessons.instruction_tuning import (
    Material,
    Obedience,
    base_obedience,
    chat_obedience,
    count_targets,
    first_speech,
    only_end,
    train,
    whole_answer,
    without_end,
)
from core.model import GPT, GPTConfig
from core.tokenizer import Tokenizer
from tests.helpers.generators import returned

ASKED = [
    Dialogue("Who's there?", (Instruction("question"),), "Who?"),
    Dialogue("Who's there?", (Instruction("mention", "death"),), "Death."),
    Dialogue("To be?", (Instruction("question"),), "Or not to be?"),
]
SAID = [[{"role": "user", "content": f"Is it {n}?"}, {"role": "assistant", "content": "It is."}] for n in range(8)]


@pytest.fixture(scope="module")
def chat(make_model: Callable[..., GPT]) -> GPT:
    return make_model(n_layer=1, block_size=64)


def test_each_kind_is_counted_by_itself() -> None:
    found = Obedience(ASKED, ["Who, I?", "Life.", "Not to be."])
    assert found.kinds() == ["mention", "question"]
    assert [found.rate(kind).share for kind in ("question", "mention")] == [0.5, 0]
    assert (found.rate().share, found.rate().count) == (pytest.approx(1 / 3), 3)


def test_a_chat_model_is_judged_as_at_the_end_of_its_training(chat: GPT, tokenizer: Tokenizer) -> None:
    seen = instruction_following(chat, tokenizer, ASKED, REPLY)
    assert chat_obedience(chat, tokenizer, ASKED).rate().share == seen["follow/all"]


def test_the_reply_of_a_base_is_one_speech(chat: GPT, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert first_speech("\nHAMLET:\nTo be.\n\nHORATIO:\nOr not?") == "HAMLET:\nTo be."
    written = tokenizer.encode("Ay.\n\nNo.")
    monkeypatch.setattr(instruction_tuning, "batch", lambda model, prompts, *rest: [written] * len(prompts))
    assert base_obedience(chat, tokenizer, ASKED).replies == ["Ay."] * len(ASKED)


def test_an_end_counts_in_one_mask_and_not_in_the_other(tokenizer: Tokenizer) -> None:
    found, end = examples(tokenizer, SAID, 64)[0], answer_end(tokenizer)
    count = count_targets(tokenizer, found)
    assert (count.conversations, count.ends) == (8, 8) and 0 < count.share < 1
    assert count.answers + count.ends == sum(sum(example.mask) for example in found)
    assert only_end(Example([end, 1, end], [False, True, True]), end).mask == [False, False, True]
    for example in found:
        assert whole_answer(example, end) == example and example.mask[-1]
        lost, kept = without_end(example, end), only_end(example, end)
        assert lost.mask == [*example.mask[:-1], False] and kept.mask == [False] * (len(example.ids) - 1) + [True]


def test_trainings_differ_in_the_mask_alone_and_only_one_learns_to_end(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    parent, base = tmp_path / "base", GPT(GPTConfig(n_layer=1, n_head=2, n_embd=32, block_size=64, vocab_size=300))
    checkpoint.save(parent, base, tokenizer, Card("pretrain"))
    found: list[Example] = examples(tokenizer, SAID, 64)[0]
    material = Material(parent, found, found, [said[:1] for said in SAID])
    few = {"max_steps": 30, "batch_size": 8, "learning_rate": 0.03}
    monkeypatch.setattr(instruction_tuning, "RECIPE", instruction_tuning.RECIPE | few)
    right, wrong = (returned(train(material, mask)) for mask in (whole_answer, without_end))
    assert len(right.losses) == len(wrong.losses) == 30 and right.losses[0] != wrong.losses[0]
    assert right.ends < 0.5 < 2 < wrong.ends and right.words < 0.5 > wrong.words
    assert (right.ended.share, right.ended.count) == (1, 8) and wrong.ended.share == 0
