"""The decoder against Hugging Face's, against itself cached and recomputed, its padding rows against everything."""

import copy
import math

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, GPT2LMHeadModel

from core import huggingface
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT, GPTConfig, KVCache
from core.presets import PRESETS


def some_ids(*shape: int, vocab_size: int = 300) -> Tensor:
    return torch.randint(vocab_size, shape, generator=torch.Generator().manual_seed(0))


# --- Hugging Face's GPT-2 -------------------------------------------------------------------------------------


def huggingface_twin(config: GPTConfig, std: float) -> tuple[GPT, GPT2LMHeadModel]:
    """Our model and theirs with the same random weights, biases and layer norms included."""
    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(
        GPT2Config(
            n_layer=config.n_layer,
            n_head=config.n_head,
            n_embd=config.n_embd,
            n_positions=config.block_size,
            vocab_size=config.vocab_size,
            activation_function=config.activation_function,
            scale_attn_weights=config.attn_scale != 1.0,
        )
    ).eval()
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            parameter.normal_(1.0 if "ln_" in name and name.endswith("weight") else 0.0, std)
    tensors = {name: tensor for name, tensor in theirs.state_dict().items() if name != "lm_head.weight"}  # tied
    ours = GPT(config).eval()
    huggingface.fill(ours, tensors, config.vocab_size, "Hugging Face", "its configuration")
    return ours, theirs


@torch.inference_mode()
def logits_of_both(config: GPTConfig, std: float, n_tokens: int) -> tuple[Tensor, Tensor]:
    ours, theirs = huggingface_twin(config, std)
    idx = torch.randint(config.vocab_size, (2, n_tokens))
    return ours(idx)[0], theirs(idx).logits


@pytest.mark.parametrize("attn_scale", [None, 1.0])
@pytest.mark.parametrize("activation", ["gelu", "gelu_new"])
def test_logits_equal_hugging_faces(activation, attn_scale):
    config = GPTConfig(3, 4, 48, 32, 300, activation_function=activation, attn_scale=attn_scale)
    ours, theirs = logits_of_both(config, std=0.15, n_tokens=32)
    assert theirs.std() > 1  # far from uniform, so that a difference would show
    assert (ours - theirs).abs().max() < 1e-4


@pytest.mark.slow
def test_logits_of_all_of_gpt2_equal_hugging_faces():
    ours, theirs = logits_of_both(GPTConfig.preset("gpt2"), std=0.04, n_tokens=24)
    assert theirs.std() > 1
    assert (ours - theirs).abs().max() < 1e-4


# --- size -----------------------------------------------------------------------------------------------------


def test_gpt2_has_124_439_808_parameters():
    with torch.device("meta"):
        model = GPT(GPTConfig.preset("gpt2"))
    rows_of_padding = model.config.padded_vocab_size - model.config.vocab_size
    assert model.config.n_params == 124_439_808
    assert sum(p.numel() for p in model.parameters()) == 124_439_808 + rows_of_padding * 768


@pytest.mark.parametrize("name", PRESETS)
def test_n_params_counts_what_is_saved(name):
    with torch.device("meta"):
        model = GPT(GPTConfig.preset(name))
    stored = model.state_dict()
    stored["transformer.wte.weight"] = stored["transformer.wte.weight"][: model.config.vocab_size]
    del stored["lm_head.weight"]  # tied
    assert model.config.n_params == sum(tensor.numel() for tensor in stored.values())


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_n_params_counts_each_weight_once_and_no_padding(make_model, qkv_bias, tied):
    model = make_model(qkv_bias=qkv_bias, tie_word_embeddings=tied)
    padded = 1 if tied else 2
    assert model.config.n_params == sum(p.numel() for p in model.parameters()) - padded * (320 - 300) * 32


@pytest.mark.parametrize("shape", [dict(), dict(n_layer=3, n_embd=64, block_size=48, vocab_size=1000)], ids=str)
def test_flops_per_token_are_those_that_pytorch_counts(make_model, shape):
    model = make_model(**shape)
    idx = some_ids(2, model.config.block_size)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # the fused kernels go uncounted
        model(idx, idx)[1].backward()
    assert model.config.flops_per_token * idx.numel() == counter.get_total_flops()


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"preset must be one of tiny, nano, .*gpt2-xl, got 'gpt3'"):
        GPTConfig.preset("gpt3")


@pytest.mark.parametrize("tied", [True, False])
def test_a_new_model_knows_nothing_and_its_residual_stream_does_not_grow(tied):
    torch.manual_seed(0)
    model = GPT(GPTConfig(8, 4, 64, 32, 300, tie_word_embeddings=tied))
    idx = torch.randint(300, (4, 32))
    assert abs(model(idx, idx.roll(1))[1].item() - math.log(300)) < 0.05
    for block in model.blocks:
        for projection in (block.attn.c_proj, block.mlp.c_proj):
            assert projection.weight.std().item() == pytest.approx(0.02 / 4, rel=0.1)  # sqrt(2 * 8 layers)
        assert block.attn.c_attn.weight.std().item() == pytest.approx(0.02, rel=0.1)
    for table in (model.transformer.wte, model.lm_head):
        assert table.weight[:300].std().item() == pytest.approx(0.02, rel=0.1)
        assert not table.weight[300:].any()  # padding


# --- options --------------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_a_model_without_qkv_bias_is_one_whose_bias_is_zero(make_model):
    with_bias, without = make_model(), make_model(qkv_bias=False)
    missing = with_bias.load_state_dict(without.state_dict(), strict=False).missing_keys
    assert missing == [f"transformer.h.{layer}.attn.c_attn.bias" for layer in range(2)]
    for block in with_bias.blocks:
        block.attn.c_attn.bias.zero_()
    torch.testing.assert_close(with_bias(some_ids(2, 16))[0], without(some_ids(2, 16))[0])


def test_a_tied_table_learns_what_an_untied_embedding_and_head_learn_apart(make_model):
    tied, untied = make_model(), make_model(tie_word_embeddings=False)
    untied.load_state_dict(tied.state_dict())  # which holds the table under both names
    idx = some_ids(2, 16)
    for model in (tied, untied):
        model(idx, idx.roll(-1, 1))[1].backward()
    embedding, head = untied.transformer.wte.weight.grad, untied.lm_head.weight.grad
    torch.testing.assert_close(embedding + head, tied.lm_head.weight.grad)
    assert embedding.any(1).nonzero().flatten().tolist() == idx.unique().tolist()  # what was read
    assert head.any(1).nonzero().flatten().tolist() == list(range(300))


# --- loss and padding -----------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_over_targets_that_count(model):
    idx = some_ids(2, 8)
    targets = idx.roll(-1, 1)
    targets[0, :5] = targets[1, 2] = IGNORE_INDEX
    logits, loss = model(idx, targets)
    rows = [(b, t) for b in range(2) for t in range(8) if targets[b, t] != IGNORE_INDEX]
    by_hand = [-logits[b, t].softmax(-1)[targets[b, t]].log() for b, t in rows]
    assert len(by_hand) == 10
    assert loss.item() == pytest.approx(sum(by_hand).item() / 10, rel=1e-5)


def gradients(model: GPT, loss: Tensor) -> dict[str, Tensor]:
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("vocab_size", [300, 1100, 1152])  # the last two are large ones, with padding and without
def test_the_summed_loss_is_the_mean_times_the_targets_that_count(make_model, vocab_size, tied):
    model = make_model(vocab_size=vocab_size, tie_word_embeddings=tied)
    idx = some_ids(2, 16, vocab_size=vocab_size)
    targets = idx.roll(-1, 1)
    targets[0, :5] = IGNORE_INDEX
    summed, expected = model.summed_loss(idx, targets), model(idx, targets)[1] * 27
    torch.testing.assert_close(summed, expected)
    torch.testing.assert_close(gradients(model, summed), gradients(model, expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_recomputed_activations_give_the_same_gradient_and_are_not_kept(make_model, dropout):
    model = make_model(n_layer=6, dropout=dropout).train()
    weights = {parameter.data_ptr() for parameter in model.parameters()}

    def learn(recompute: bool) -> tuple[dict[str, Tensor], int]:
        """Gradients, and the bytes that were kept for them."""
        model.transformer.recompute = recompute
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        torch.manual_seed(0)
        with saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = model.summed_loss(some_ids(2, 16), some_ids(2, 16).roll(-1, 1))
        return gradients(model, loss), sum(size for memory, size in kept.items() if memory not in weights)

    (expected, all_bytes), (recomputed, few_bytes) = learn(recompute=False), learn(recompute=True)
    torch.testing.assert_close(recomputed, expected, rtol=0, atol=0)
    assert few_bytes < all_bytes / 3


def test_padding_rows_get_no_probability_whatever_they_hold(model):
    idx = torch.arange(16)[None]
    logits, loss = model(idx, idx)
    with torch.no_grad():
        model.transformer.wte.weight[300:] = 50.0
    again, same_loss = model(idx, idx)
    assert logits.shape == (1, 16, 300)
    assert len(model.transformer.wte.weight) == 320
    assert torch.equal(logits, again)
    assert torch.equal(loss, same_loss)


def test_padding_rows_get_no_gradient_and_no_weight(model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for step in range(3):
        idx = torch.randint(300, (2, 16), generator=torch.Generator().manual_seed(step))
        model(idx, idx.roll(-1, 1))[1].backward()
        gradient = model.transformer.wte.weight.grad
        assert gradient[:300].any()
        assert not gradient[300:].any()
        optimizer.step()
        optimizer.zero_grad()
    assert not model.transformer.wte.weight[300:].any()


def test_a_vocabulary_that_is_a_multiple_of_64_has_no_padding(make_model):
    model = make_model(vocab_size=320)
    assert len(model.transformer.wte.weight) == 320
    assert model(torch.arange(16)[None])[0].shape == (1, 16, 320)


# --- cache and context ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [[1] * 16, [10, 1, 1, 1, 1, 1, 1], [5, 1, 7, 3], [1, 15], [16]], ids=str)
@torch.inference_mode()
def test_logits_with_a_cache_equal_those_without(model, chunks):
    idx = some_ids(2, 16)
    expected, _ = model(idx)
    cache = KVCache(model, batch_size=2)
    logits = [model(chunk, cache=cache)[0] for chunk in idx.split(chunks, dim=1)]
    assert cache.length == 16
    torch.testing.assert_close(torch.cat(logits, 1), expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_a_model_that_recomputes_uses_its_cache_in_training_too(model):
    model.train().transformer.recompute = True
    idx = some_ids(2, 16)
    cache = KVCache(model, batch_size=2)
    logits = [model(chunk, cache=cache)[0] for chunk in idx.split([10, 1, 5], dim=1)]
    torch.testing.assert_close(torch.cat(logits, 1), model(idx)[0], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_padded_texts_that_share_a_cache_get_the_logits_that_each_gets_alone(model):
    idx = some_ids(4, 16)
    padding = torch.tensor([0, 6, 9, 3])
    alone = [model(row[empty:][None])[0][0] for row, empty in zip(idx, padding, strict=True)]
    cache = KVCache(model, 4, padding=padding)
    assert cache.mask(16).any(-1).all()  # padding looks at something too: some kernels make NaN of nothing
    rows = [0, 1, 2, 3]
    for start, end in [(0, 10), (10, 11), (11, 12), (12, 15), (15, 16)]:
        logits, _ = model(idx[rows, start:end], cache=cache)
        for row, found in zip(rows, logits, strict=True):
            expected = alone[row][max(0, start - padding[row]) : end - padding[row]]
            torch.testing.assert_close(found[-len(expected) :], expected, rtol=1e-4, atol=1e-4)
        if end == 11:
            rows = [3, 1]
            cache.keep(rows)


@torch.inference_mode()
def test_last_only_gives_the_last_positions_logits(model):
    idx = torch.arange(12).view(2, 6)
    torch.testing.assert_close(model(idx, last_only=True)[0], model(idx)[0][:, -1:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("cached", "new"), [(0, 17), (10, 7), (16, 1)])
def test_more_tokens_than_the_context_holds_are_refused(model, cached, new):
    cache = KVCache(model)
    if cached:
        model(torch.zeros(1, cached, dtype=torch.long), cache=cache)
    with pytest.raises(ValueError, match="17 tokens do not fit into the context of 16"):
        model(torch.zeros(1, new, dtype=torch.long), cache=cache)


@pytest.mark.parametrize(("capacity", "room"), [(6, 6), (16, 16), (100, 16)])
def test_a_cache_has_room_for_what_was_asked_for_and_the_context_at_most(model, capacity, room):
    cache = KVCache(model, capacity=capacity)
    assert cache.keys[1].shape == cache.values[1].shape == (1, 2, room, 16)
    model(torch.zeros(1, room, dtype=torch.long), cache=cache)
    with pytest.raises(ValueError, match=f"{room + 1} tokens do not fit into the context of {room}"):
        model(torch.zeros(1, 1, dtype=torch.long), cache=cache)


def test_a_copy_shares_nothing_with_its_original(model):
    frozen = copy.deepcopy(model)
    idx = torch.arange(16)[None]
    before = frozen(idx)[0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert torch.equal(frozen(idx)[0], before)


def test_dropout_works_in_training_only(make_model):
    model = make_model(dropout=0.5)
    idx = torch.arange(16)[None]
    assert torch.equal(model(idx)[0], model(idx)[0])
    model.train()
    assert not torch.equal(model(idx)[0], model(idx)[0])
