"""What comes next, and why a token was said, against the generation itself."""

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.conversation import Conversation, Message, context_of_next, generate_reply
from core.generate import Sampling
from core.interpretability import activations
from playground.services.checkpoints import Checkpoints
from playground.tabs.chat.token_inspection import TokenInspector

ASKED = Conversation(
    (Message("user", "To be, or not"), Message("assistant", " to be"), Message("user", "that")), answers=False
)


@pytest.fixture
def foresight(tmp_path, make_model, tokenizer) -> TokenInspector:
    checkpoint.save(tmp_path / "one", make_model(std=0.15), tokenizer, Card())
    return TokenInspector(Checkpoints(tmp_path, torch.device("cpu")))


def test_it_foretells_what_is_drawn(foresight: TokenInspector) -> None:
    """Of many first tokens each is drawn as often as the picture says, and nothing that is cut ever is."""
    loaded, settings = foresight.checkpoints.load("one"), dict(temperature=1.3, top_k=4, max_new_tokens=1)
    told = foresight.next_token("one", ASKED, Sampling(**settings))
    draws = [
        next(generate_reply(loaded.model, loaded.tokenizer, ASKED, Sampling(seed=seed, **settings)))
        for seed in range(400)
    ]
    assert told["kept"] == 4 and told["entropy"][1] < told["entropy"][0]
    own = {loaded.tokenizer.token_bytes(id).hex(): p for id, p in draws[0].alternatives}
    for hex, before, after in told["tokens"]:
        share = sum(loaded.tokenizer.token_bytes(step.id).hex() == hex for step in draws) / len(draws)
        assert share == pytest.approx(after, abs=0.09) and (after > 0 or share == 0)
        assert hex not in own or before == pytest.approx(own[hex], abs=1e-5)


def test_greedy_leaves_one_token(foresight: TokenInspector) -> None:
    told = foresight.next_token("one", ASKED, Sampling(temperature=0))
    assert told["kept"] == 1 and told["tokens"][0][2] == 1 and told["entropy"][1] == 0


@pytest.mark.parametrize("at", [0, 3, 20])
def test_inside_a_token_are_the_numbers_that_it_was_drawn_with(foresight: TokenInspector, at: int) -> None:
    loaded = foresight.checkpoints.load("one")
    model, tokenizer = loaded.model, loaded.tokenizer
    steps = list(generate_reply(model, tokenizer, ASKED, Sampling(max_new_tokens=25, seed=2)))
    written = [step.id for step in steps[: at + 1]]
    found = foresight.look_inside("one", ASKED, written, layer=1, head=0)
    chosen, _, probability = found["chosen"]
    assert chosen == steps[at].id and probability == pytest.approx(steps[at].probability, abs=1e-4)
    best = [(id, p) for id, _, p in found["alternatives"][:5]]
    assert [id for id, _ in best] == [id for id, _ in steps[at].alternatives]
    ids = context_of_next(ASKED.encode(tokenizer), written[:-1], model.config.block_size)
    weights = activations.attention(model, ids)[1, 0, -1]
    assert [weight for _, weight in found["attention"]] == pytest.approx(weights.tolist(), abs=1e-5)
    assert found["lens"][-1][2] == pytest.approx(probability, abs=1e-5) and len(found["lens"]) == 3


def test_the_context_says_what_has_slid_out(foresight: TokenInspector) -> None:
    tokenizer = foresight.checkpoints.load("one").tokenizer
    told = foresight.context("one", ASKED)
    assert told["said"] == len(ASKED.encode(tokenizer)) and told["size"] == 16 and told["forgotten"] in (0, 1)
    long = Conversation(
        (*ASKED.messages, Message("user", "whether 'tis nobler in the mind to suffer " * 3)), answers=False
    )
    told = foresight.context("one", long)
    assert told["forgotten"] == 3 and told["read"] <= 16 < told["said"]
