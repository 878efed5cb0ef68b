"""The memory plan against what PyTorch keeps, and against the peak of real steps."""

from dataclasses import replace

import pytest
import torch

from core.__main__ import main
from core.datasets.batch import Batch
from core.model import GPT, GPTConfig
from core.training.device import autocast
from core.training.loop import FitConfig, fit, language_model_loss, optimizers_of
from core.training.planning.memory import GIB, USABLE, MemoryPlan, micro_batch_size, plan, suggest, usable_bytes
from core.training.planning.memory_check import PEAK, TOLERANCE, measure, two_steps


def measure_cuda(model: GPTConfig, config: FitConfig) -> int:
    """Bytes of tensors on the GPU at the fullest moment, those aside that were there before."""
    two_steps(GPTConfig(n_layer=1, n_head=1, n_embd=64, block_size=64, vocab_size=2000), config, "cuda")  # libraries
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    two_steps(model, config, "cuda")
    return torch.cuda.max_memory_allocated() - before


# Each makes another part the largest.
PEAKS = {
    "activations": (dict(n_layer=4, block_size=512), dict(batch_size=8)),
    "recompute": (dict(n_layer=8, block_size=512), dict(batch_size=4, recompute=True)),
    "logits": (dict(n_layer=1, n_embd=64, block_size=256, vocab_size=50257), dict(batch_size=4)),
    "small vocabulary": (dict(n_layer=1, n_embd=64, block_size=512, vocab_size=1000), dict(batch_size=24)),
    "vocabulary": (
        dict(n_layer=1, n_embd=256, block_size=32, vocab_size=50257),
        dict(batch_size=2, micro_batch_size=1),
    ),
    "untied": (
        dict(n_layer=1, n_embd=256, block_size=32, vocab_size=50257, tie_word_embeddings=False),
        dict(batch_size=1),
    ),
    "adamw": (dict(n_layer=4, n_embd=512, block_size=16), dict(batch_size=1)),
    "muon": (dict(n_layer=4, n_embd=384, block_size=16), dict(batch_size=1, optimizer="muon")),
    "accumulation": (
        dict(n_layer=4, n_embd=256, block_size=256, vocab_size=4096),
        dict(batch_size=8, micro_batch_size=4, optimizer="muon"),
    ),
    "dropout": (dict(n_layer=3, block_size=256, dropout=0.1), dict(batch_size=8)),
    "bfloat16": (dict(n_layer=4, n_embd=32, block_size=64, vocab_size=60), dict(batch_size=256, dtype="bfloat16")),
}


def settings(name: str) -> tuple[GPTConfig, FitConfig]:
    shape, training = PEAKS[name]
    small = dict(n_head=2, n_embd=128, vocab_size=500)
    return GPTConfig.from_dict(small | shape), FitConfig.from_dict(dict(optimizer="adamw") | training)


@pytest.fixture(scope="module")
def peaks() -> dict[str, int]:
    """All of PEAKS, measured in a process of their own."""
    return measure({name: settings(name) for name in PEAKS})


@pytest.mark.slow
@pytest.mark.skipif(not PEAK.exists(), reason="only Linux tells the peak of a part of a run")
@pytest.mark.parametrize("name", PEAKS)
def test_the_peak_of_real_steps(peaks, name):
    assert plan(*settings(name), "cpu").peak == pytest.approx(peaks[name], rel=TOLERANCE)


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    "training",
    [
        dict(batch_size=16),
        dict(batch_size=16, optimizer="adamw", recompute=True),
        dict(batch_size=16, micro_batch_size=4),
        dict(batch_size=16, dtype="float32"),
    ],
)
def test_the_peak_of_real_steps_on_a_gpu(training):
    model, config = GPTConfig.preset("gpt2", n_layer=6), FitConfig(device="cuda", **training)
    assert plan(model, config, "cuda").peak == pytest.approx(measure_cuda(model, config), rel=0.15)


SHAPE = dict(n_layer=2, n_head=4, n_embd=64, block_size=128, vocab_size=300)


@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": False}, {"qkv_bias": False}])
@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_weights_gradients_and_optimizer_are_those_of_a_real_model(changes, kind):
    """300 tokens: 20 rows of padding, which are in memory too."""
    shape, config = GPTConfig(**(SHAPE | changes)), FitConfig(batch_size=1, max_steps=1, warmup_steps=0, optimizer=kind)
    model = GPT(shape)
    optimizers = optimizers_of(model, config)
    ids = torch.zeros(1, 8, dtype=torch.long)
    for _ in fit(model, lambda step: Batch(ids, ids), language_model_loss, config, optimizers):
        pass
    states = [value for o in optimizers for state in o.state.values() for value in state.values() if value.dim()]
    planned = plan(shape, config, "cpu")
    assert planned.weights == planned.gradients == sum(p.nbytes for p in model.parameters())
    assert planned.optimizer == sum(value.nbytes for value in states)


@pytest.mark.parametrize(("dropout", "dtype"), [(0.0, "float32"), (0.1, "float32"), (0.0, "bfloat16")])
def test_activations_are_what_autograd_keeps(dropout, dtype):
    """In bfloat16 also on a CPU: there autocast has the same rules for all that the model does without dropout."""
    shape = GPTConfig(**SHAPE, dropout=dropout)
    model = GPT(shape).train()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}  # each piece of memory once, alive, so that no other takes its address

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    ids = torch.zeros(3, shape.block_size, dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast(torch.device("cpu"), dtype):
        model.hidden(ids)
    size = sum(tensor.untyped_storage().nbytes() for address, tensor in kept.items() if address not in weights)
    planned = plan(shape, FitConfig(batch_size=3, dtype=dtype), "cpu")
    assert planned.activations + planned.copies == pytest.approx(size, rel=0.01)


def test_a_block_counted_by_hand():
    """GPT-2, one sequence. float32: 16 C a token; bfloat16: 2 C of 4 bytes and 14 C of 2."""
    one, two = (GPTConfig.preset("gpt2", n_layer=layers) for layers in (1, 2))
    small = 1024 * (4 * 4 + 12 * 4)  # mean and spread of two layer norms, and one number a head
    for device, a_token in (("cpu", 64 * 768), ("cuda", 36 * 768)):
        a, b = (plan(shape, FitConfig(batch_size=1), device).activations for shape in (one, two))
        assert b - a == 1024 * a_token + small
    again = [plan(shape, FitConfig(batch_size=1, recompute=True), "cpu").activations for shape in (one, two)]
    assert again[1] - again[0] == 1024 * 768 * 4


def test_the_suggestion_is_the_largest_that_fits_and_more_memory_never_gives_less():
    model, config, before = GPTConfig.preset("gpt2"), FitConfig(batch_size=32), None
    for budget in (5, 6, 8, 12, 16, 24, 48):
        fit = suggest(model, config, "cuda", budget)
        assert replace(fit, micro_batch_size=0, recompute=False) == config
        assert plan(model, fit, "cuda").peak <= usable_bytes(budget, "cuda")
        if fit.micro_batch_size < 32:
            assert plan(model, replace(fit, micro_batch_size=2 * fit.micro_batch_size), "cuda").peak > usable_bytes(
                budget, "cuda"
            )
        if before:
            assert fit.recompute <= before.recompute
            assert fit.recompute < before.recompute or fit.micro_batch_size >= before.micro_batch_size
        before = fit
    assert fit.micro_batch_size == 32 and not fit.recompute


def test_recomputation_where_without_it_too_few_tokens_fit():
    model, config = GPTConfig.preset("gpt2", block_size=512), FitConfig(batch_size=64)
    alone = plan(model, replace(config, micro_batch_size=1), "cpu").peak
    fit = suggest(model, config, "cpu", 1.05 * alone / USABLE["cpu"] / GIB)
    assert fit.recompute and fit.micro_batch_size >= 2


def test_replicas_keep_their_gradients_and_shards_of_a_model_fit_where_it_does_not():
    model, one = GPTConfig.preset("gpt2-xl"), FitConfig(batch_size=64, micro_batch_size=1, optimizer="adamw")
    whole, parts = plan(model, one, "cuda"), plan(model, replace(one, shard=True), "cuda", processes=4)
    for name in ("weights", "gradients", "optimizer"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name) / 4)
    assert parts.activations == whole.activations  # of each process's own sequences
    assert parts.peak <= usable_bytes(16, "cuda") < whole.peak
    assert suggest(model, replace(one, shard=True), "cuda", 16, processes=4).micro_batch_size == 1
    with pytest.raises(ValueError, match="smaller block_size or model"):
        suggest(model, one, "cuda", 16, processes=4)
    alone = replace(one, batch_size=4, micro_batch_size=4)
    shared = replace(alone, batch_size=8)  # four sequences for each of two
    small = GPTConfig.preset("nano")
    more = plan(small, shared, "cpu", processes=2).peak - plan(small, alone, "cpu").peak
    assert 0 < more <= plan(small, alone, "cpu").gradients * 2
    assert micro_batch_size(replace(shared, micro_batch_size=0), processes=2) == 4


def test_where_nothing_fits_a_sentence_says_what_to_change():
    with pytest.raises(ValueError, match=r"1024 tokens needs .* GiB even with recompute.*smaller block_size or model"):
        suggest(GPTConfig.preset("gpt2-xl"), FitConfig(), "cuda", 16)
    for budget in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="budget_gb"):
            suggest(GPTConfig(), FitConfig(), "cuda", budget)
    with pytest.raises(ValueError, match="not for mps"):
        plan(GPTConfig(), FitConfig(), "mps")


def test_the_command_prints_the_parts_and_the_suggestion(caplog, capsys):
    caplog.set_level("INFO")
    assert main(["memory", "--preset", "gpt2", "--device", "cuda", "--budget-gb", "16", "--batch-size", "64"]) == 0
    assert [line.split()[0] for line in caplog.messages] == [*MemoryPlan.__dataclass_fields__, "for"]
    assert "micro_batch_size 16, 4 to a step, recompute off" in caplog.messages[-1]
    assert main(["memory", "--preset", "gpt2-xl", "--device", "cuda", "--budget-gb", "16"]) == 1
    assert "smaller block_size or model" in capsys.readouterr().err
