"""A unit's key and value are what a pass through the corpus, and the model's own weights, say of them."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core.interpretability import activations, neurons
from core.interpretability.neurons import FINGERPRINT, TopPlaces, text_blocks, top_places
from core.model import GPT

K = 5
ABOUT = {FINGERPRINT: "these weights", "corpus": "a few lines"}


@pytest.fixture(scope="module")
def ids() -> list[int]:
    return torch.randint(300, (150,), generator=torch.Generator().manual_seed(1)).tolist()


@pytest.fixture(scope="module")
def blocks(ids: list[int]) -> Tensor:
    return text_blocks(ids, 16, 10_000)


@pytest.fixture(scope="module")
def found(make_model: Callable[..., GPT], blocks: Tensor) -> TopPlaces:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neurons, "MOST_TOKENS", 50)  # so that there are several passes
        *_, last = top_places(make_model(), blocks, K)
    return last


@torch.inference_mode()
def all_activations(model: GPT, ids: list[int], layer: int) -> Tensor:
    """By the model's own modules, one after the other: (T, M)."""
    x = model.transformer.wte(torch.tensor([ids])) + model.transformer.wpe(torch.arange(len(ids)))
    for block in model.blocks[:layer]:
        x = block(x)
    block = model.blocks[layer]
    x = x + block.attn(block.ln_1(x))
    return F.gelu(block.mlp.c_fc(block.ln_2(x)), approximate="tanh")[0]


def test_every_token_but_the_first_one_is_read_once(ids: list[int], blocks: Tensor) -> None:
    assert blocks[:, 1:].flatten().tolist() == ids[1 : 1 + 9 * 15]
    assert blocks[1:, 0].tolist() == blocks[:-1, -1].tolist()
    few = text_blocks(ids, 16, 45)
    assert few.shape == (3, 16) and few[0].tolist() == ids[:16] and few[-1].tolist() == blocks[-1].tolist()
    assert text_blocks(ids[:4], 16, 45).tolist() == [ids[:4]]
    with pytest.raises(ValueError, match="fewer than two tokens"):
        text_blocks(ids[:1], 16, 45)


def test_the_top_places_are_those_of_a_pass_by_hand(model: GPT, blocks: Tensor, found: TopPlaces) -> None:
    assert found.tokens_read == 9 * 15
    for layer in range(2):
        every = torch.stack([all_activations(model, row, layer) for row in blocks.tolist()])  # (n, T, M)
        every[:, 0] = -math.inf
        best = every.flatten(0, 1).T.topk(K)
        torch.testing.assert_close(found.activations[layer], best.values)
        assert torch.equal(found.places[layer].long(), best.indices)


def test_what_is_known_grows_with_each_pass(model: GPT, blocks: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neurons, "MOST_TOKENS", 64)
    first, second, third = top_places(model, blocks, 100)
    assert [part.tokens_read for part in (first, second, third)] == [60, 120, 135]
    assert torch.isinf(first.activations[..., 60:]).all() and torch.isfinite(first.activations[..., :60]).all()
    assert torch.equal(second.activations[..., 0].maximum(first.activations[..., 0]), second.activations[..., 0])


def test_activations_on_a_text_are_those_of_the_mlp(model: GPT, ids: list[int]) -> None:
    text = ids[:9]
    seen = activations.trace(model, text)
    for layer in range(2):
        torch.testing.assert_close(neurons.unit_activations(model, seen, layer), all_activations(model, text, layer))
    strengths, lengths = neurons.contributions(model, seen, 8)
    torch.testing.assert_close(strengths[1], all_activations(model, text, 1)[8])
    value = model.blocks[1].mlp.c_proj.weight[:, 7]
    torch.testing.assert_close(lengths[1, 7], strengths[1, 7].abs() * value.norm())


@torch.inference_mode()
def test_the_logits_of_a_unit_are_its_row_of_w_out_times_the_unembedding(make_model, model: GPT) -> None:
    plain = make_model()
    plain.transformer.ln_f.weight.fill_(1.0)
    plain.blocks[1].mlp.c_proj.weight[:, 5] -= plain.blocks[1].mlp.c_proj.weight[:, 5].mean()
    w_out, w_u = plain.blocks[1].mlp.c_proj.weight.T, plain.lm_head.weight.T  # (M, C), (C, V)
    torch.testing.assert_close(neurons.logit_effect(plain, 1, 5), (w_out[5] @ w_u)[:300])

    # and that is what the model's own logits move by, the last norm's scale held
    stream = activations.trace(model, [5, 290, 17]).residual[-1, -1].double()
    norm, head = model.transformer.ln_f, model.lm_head.weight.double()
    spread = stream.var(unbiased=False).add(norm.eps).sqrt()
    value = model.blocks[1].mlp.c_proj.weight[:, 5].double()

    def logits(x: Tensor) -> Tensor:
        return (((x - x.mean()) / spread) * norm.weight + norm.bias) @ head.T

    moved = (logits(stream + 3 * value) - logits(stream))[:300]
    torch.testing.assert_close(neurons.logit_effect(model, 1, 5).double() * 3 / spread, moved, rtol=1e-4, atol=1e-4)


def test_what_was_found_is_kept_with_its_fingerprint(tmp_path: Path, model: GPT, found: TopPlaces) -> None:
    path = tmp_path / "neurons.cache"
    neurons.save(path, found, ABOUT)
    kept, about = neurons.load(path, model, "these weights")
    assert about == ABOUT
    assert all(torch.equal(value, vars(kept)[name]) for name, value in vars(found).items())
    with pytest.raises(ValueError, match=r"neurons\.cache was made from other weights"):
        neurons.load(path, model, "others")


def test_a_damaged_file_is_no_places(tmp_path: Path, make_model, model: GPT, found: TopPlaces) -> None:
    path = tmp_path / "neurons.cache"

    def message(changed: TopPlaces | bytes) -> str:
        if isinstance(changed, bytes):
            path.write_bytes(changed)
        else:
            neurons.save(path, changed, ABOUT)
        with pytest.raises(ValueError, match="is damaged") as caught:
            neurons.load(path, model, "these weights")
        return str(caught.value)

    neurons.save(path, found, ABOUT)
    whole = path.read_bytes()
    for content in (b"", b"nonsense", whole[:-5], whole[: len(whole) // 2], b"\xff" * 64):
        message(content)
    far = found.places.clone()
    far[0, 0, 0] = found.blocks.numel()
    assert "places that there are not" in message(TopPlaces(found.blocks, found.activations, far))
    assert "places that there are not" in message(TopPlaces(found.blocks + 300, found.activations, found.places))
    assert "other shapes" in message(TopPlaces(found.blocks, found.activations[:1], found.places[:1]))
    assert "other shapes" in message(TopPlaces(found.blocks, found.activations.int(), found.places))
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match="is a directory"):
        neurons.load(path, model, "these weights")
