"""Steering equals adding the vector by hand with a hook, and its vector equals a plain loop over the votes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from core.chat_template import encode_prompt
from core.datasets.preference_files import Preference
from core.model import GPT
from core.packed_model import PackedGPT
from core.rlhf.steering import FEWEST_VOTES, steer, steering_vectors
from core.tokenizer import Tokenizer

VOTES = [
    Preference(prompt, chosen, rejected)
    for prompt in ("To be?", "Who?", "Day by day")
    for chosen, rejected in (("Ay.", "No, not he."), ("Play on", "To be"), ("The food of love", "Suffer."), ("I", "he"))
]


@pytest.fixture
def model(make_model: Callable[..., GPT]) -> GPT:
    return make_model(block_size=64, std=0.1)


def behind(model: GPT, layer: int, change: Callable[[Tensor], Tensor]) -> Any:
    return model.blocks[layer].register_forward_hook(lambda _, inputs, output: change(output))


def test_a_steered_model_says_what_one_says_whose_stream_is_changed_by_a_hook(model: GPT):
    idx = torch.tensor([[5, 17, 120, 3], [7, 7, 250, 0]])
    vector = torch.randn(32, generator=torch.Generator().manual_seed(3))
    plain = model(idx)[0]
    for layer, strength in ((0, 2.0), (1, -0.5)):
        hook = behind(model, layer, lambda x, by=strength * vector: x + by)
        wanted = model(idx)[0]
        hook.remove()
        found = steer(model, layer, vector, strength)
        torch.testing.assert_close(found(idx)[0], wanted, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(PackedGPT(found)(idx)[0], wanted, rtol=1e-4, atol=1e-4)
        assert (wanted - plain).abs().max() > 0.1
    assert torch.equal(model(idx)[0], plain), "the model itself stays as it is"
    assert torch.equal(steer(model, 1, vector, 0.0)(idx)[0], plain)


def test_the_vector_is_the_difference_of_the_means_over_the_votes(model: GPT, tokenizer: Tokenizer):
    tie = replace(VOTES[0], tie=True)
    made = steering_vectors(model, tokenizer, [*VOTES, tie])
    found = made.vectors
    assert found.shape == (2, 32) and made.votes == len(VOTES)
    seen: list[Tensor] = []
    hook = behind(model, 1, lambda x: (seen.append(x), x)[1])
    wanted = torch.zeros(32)
    for vote in VOTES:
        asked = encode_prompt(tokenizer, vote.messages)
        for text, sign in ((vote.chosen, 1), (vote.rejected, -1)):
            ids = asked + tokenizer.encode(text)  # each state predicts the token that follows, the last one the end
            with torch.no_grad():
                model(torch.tensor([ids]))
            wanted += sign * seen.pop()[0, len(asked) - 1 :].mean(0) / len(VOTES)
    hook.remove()
    torch.testing.assert_close(found[1], wanted, rtol=1e-4, atol=1e-5)


def test_too_few_votes_another_layer_and_another_width_are_told_in_words(model: GPT, tokenizer: Tokenizer):
    with pytest.raises(
        ValueError, match=f"no votes that prefer an answer: a steering vector needs at least {FEWEST_VOTES}"
    ):
        steering_vectors(model, tokenizer, [])
    with pytest.raises(ValueError, match="2 of 3 votes prefer an answer"):
        steering_vectors(model, tokenizer, [*VOTES[:2], replace(VOTES[0], tie=True)])
    with pytest.raises(ValueError, match="layer must be between 1 and 2, got 3"):
        steer(model, 2, torch.zeros(32))
    with pytest.raises(ValueError, match="has 32 numbers, this one has 16"):
        steer(model, 0, torch.zeros(16))
