"""Measures of conversations: obedience counted by rule, and whether a model hears what it is answering."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from core.chat_template import encode_chat
from core.datasets.conversations import ChatBatches, Example
from core.datasets.instructions import Dialogue, Instruction
from core.evaluation import instructions
from core.evaluation.instructions import REPLY, context_accuracy, instruction_following, reply_losses
from core.model import GPT
from core.tokenizer import Tokenizer
from core.training.loop import FitConfig, fit, language_model_loss

PAIRS = {"Who?": "He said.", "To be?": "That is.", "Music?": "Play on!", "When?": "Tomorrow.", "Why?": "To die."}
HELD = [Dialogue(cue, (), reply) for cue, reply in PAIRS.items()]


def encoded(tokenizer: Tokenizer, cue: str, reply: str) -> Example:
    messages = [{"role": "user", "content": cue}, {"role": "assistant", "content": reply}]
    return Example(*encode_chat(tokenizer, messages))


def test_obedience_is_the_share_of_the_instructions_that_are_followed(monkeypatch):
    one, two = Instruction("lines", "one line"), Instruction("lines", "two lines")
    love, question = Instruction("mention", "love"), Instruction("question")
    asked = [Dialogue("a", wanted, "") for wanted in ((one,), (two, love), (question,), (love,))]
    written = {
        "a\n\nAnswer in one line.": "Ay.",
        "a\n\nAnswer in two lines, mention love.": "Ay, love.",
        "a\n\nAnswer: end with a question.": "No.",
        "a\n\nAnswer: mention love.": "My love!",
    }
    seen = []

    def replies(model, tokenizer, prompts, sampling):
        seen.append((model, tokenizer, sampling))
        return [written[prompt] for prompt in prompts]

    monkeypatch.setattr(instructions, "replies", replies)
    assert instruction_following("model", "tokenizer", asked, REPLY) == {
        "follow/all": 3 / 5,
        "follow/lines": 1 / 2,
        "follow/mention": 1.0,
        "follow/question": 0.0,
        "n/instructions": 5,
        "n/instructions/lines": 2,
        "n/instructions/mention": 2,
        "n/instructions/question": 1,
    }
    assert seen == [("model", "tokenizer", REPLY)]


def test_replies_are_written_side_by_side_as_one_by_one(make_model, tokenizer, monkeypatch):
    model, prompts = make_model(block_size=32), [f"{cue} {n}" for n in range(2) for cue in PAIRS]
    sampling = replace(REPLY, max_new_tokens=8)
    whole = instructions.replies(model, tokenizer, prompts, sampling)
    for n, prompt in enumerate(prompts):
        assert instructions.replies(model, tokenizer, [prompt], replace(sampling, seed=sampling.seed + n)) == [whole[n]]
    monkeypatch.setattr(instructions, "SIDE_BY_SIDE", 3)
    assert instructions.replies(model, tokenizer, prompts, sampling) == whole
    assert len(set(whole)) > 5


def test_a_prompt_longer_than_the_context_is_answered_by_its_end(model, tokenizer):
    long = "so " * 40 + "that is the question"
    end = tokenizer.decode(tokenizer.encode(long)[-(model.config.block_size - 2) :])
    assert tokenizer.encode(end) == tokenizer.encode(long)[-(model.config.block_size - 2) :]
    assert instructions.replies(model, tokenizer, [long]) == instructions.replies(model, tokenizer, [end])


# --- context --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_heart(make_model: Callable[..., GPT], tokenizer: Tokenizer) -> GPT:
    """A model that has learned which reply belongs to which cue."""
    model = make_model(std=0.1, block_size=32)
    batches = ChatBatches([encoded(tokenizer, *pair) for pair in PAIRS.items()], len(PAIRS), seed=0)
    config = FitConfig(max_steps=60, warmup_steps=0, learning_rate=1e-2, device="cpu")
    assert [log.loss for log in fit(model, batches, language_model_loss, config)][-1] < 0.1
    return model.eval()


def test_who_knows_the_replies_by_heart_finds_them_all(by_heart, tokenizer):
    assert context_accuracy(by_heart, tokenizer, HELD) == 1.0
    swapped = [replace(HELD[0], reply=HELD[1].reply), replace(HELD[1], reply=HELD[0].reply)]
    assert context_accuracy(by_heart, tokenizer, swapped) == 0.0


def test_who_knows_nothing_guesses_and_always_the_same(make_model, tokenizer):
    held = [replace(d, cue=f"{d.cue} {n}") for n in range(40) for d in HELD]
    first = context_accuracy(make_model(block_size=32), tokenizer, held)
    assert first == pytest.approx(0.5, abs=0.15)
    assert context_accuracy(make_model(block_size=32), tokenizer, held) == first


def test_a_conversation_longer_than_the_context_is_judged_by_its_end(make_model, tokenizer):
    model = make_model(block_size=4)
    assert 0 <= context_accuracy(model, tokenizer, HELD) <= 1


def test_losses_of_replies_do_not_depend_on_who_is_beside_them(model, tokenizer):
    some = [encoded(tokenizer, "Who?", text) for text in ("He.", "so", "Tomorrow!")]
    together = reply_losses(model, some).tolist()
    assert together == pytest.approx([reply_losses(model, [one]).item() for one in some], rel=1e-5)
    ids, mask = torch.tensor(some[2].ids), torch.tensor(some[2].mask)
    with torch.no_grad():
        logprobs = model(ids[None])[0][0, :-1].log_softmax(-1)
    expected = -logprobs[mask[1:], ids[1:][mask[1:]]].mean().item()
    assert together[2] == pytest.approx(expected, rel=1e-5)
