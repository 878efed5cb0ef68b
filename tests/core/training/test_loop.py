"""The loop: one gradient however a batch is split, exact schedules, and no step on what is not a number."""

import copy
import itertools
import math
import sys
import time
from functools import partial
from statistics import median

import pytest
import torch
from torch.nn.utils import parameters_to_vector
from torch.optim import Optimizer

from core.checkpoint import Card, Checkpoint
from core.datasets.batch import Batch
from core.datasets.pretraining import HeldOut, TokenBlocks
from core.datasets.shakespeare import Corpus
from core.evaluation.language_model import bits_per_byte
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT
from core.training import compiled_blocks
from core.training.compiled_blocks import TIMED, CompiledBlocks
from core.training.device import peak_memory, pick_device, total_memory
from core.training.loop import FitConfig, NotFinite, fit, held_out_metrics, language_model_loss, optimizers_of
from core.training.lr_schedule import learning_rate
from core.training.optimizer import take_step


def config(**changes) -> FitConfig:
    return FitConfig(**dict(max_steps=1, batch_size=8, warmup_steps=0, learning_rate=0.01, device="cpu") | changes)


def masked_batch(*lengths: int) -> Batch:
    """A batch of 8 tokens a row in which only the first `length` targets of each row count."""
    inputs = torch.randint(300, (len(lengths), 8), generator=torch.Generator().manual_seed(0))
    targets = inputs.roll(-1, 1)
    for row, length in enumerate(lengths):
        targets[row, length:] = IGNORE_INDEX
    return Batch(inputs, targets)


def weights(model: GPT) -> torch.Tensor:
    return parameters_to_vector(model.parameters()).detach().clone()


def descent(model: GPT) -> list[Optimizer]:
    """Plain gradient descent, which unlike AdamW does not blow the smallest difference up."""
    return [torch.optim.SGD(model.parameters())]


# --- one gradient ---------------------------------------------------------------------------------------------


def gradient(model: GPT, batch: Batch, **changes) -> tuple[torch.Tensor, float]:
    """Gradient and loss of one step, read off plain gradient descent: new = old - 1 * gradient."""
    model = copy.deepcopy(model)
    before = weights(model)
    settings = config(learning_rate=1.0, grad_clip=0, **changes)
    (log,) = fit(model, lambda step: batch, language_model_loss, settings, descent(model))
    return before - weights(model), log.loss


@pytest.mark.parametrize("lengths", [[8] * 8, [1, 8, 3, 5, 2, 2, 7, 4], [8, 8, 0, 0, 0, 0, 1, 6]], ids=str)
@pytest.mark.parametrize("micro_batch_size", [2, 3])
def test_micro_batches_give_the_gradient_of_the_whole_batch(model, lengths, micro_batch_size):
    batch = masked_batch(*lengths)
    whole, loss = gradient(model, batch)
    split, split_loss = gradient(model, batch, micro_batch_size=micro_batch_size)
    torch.testing.assert_close(split, whole, rtol=1e-4, atol=1e-5)
    assert split_loss == pytest.approx(loss, rel=1e-5)


def test_the_gradient_is_that_of_the_mean_over_all_targets_that_count(model):
    batch = masked_batch(1, 8, 3, 5)
    whole, loss = gradient(model, batch)
    logits = model(batch.inputs)[0]
    rows = [logits[b, t].log_softmax(-1)[batch.targets[b, t]] for b, n in enumerate([1, 8, 3, 5]) for t in range(n)]
    by_hand = -torch.stack(rows).mean()
    by_hand.backward()
    expected = parameters_to_vector([p.grad for p in model.parameters()])
    assert loss == pytest.approx(by_hand.item(), rel=1e-5)
    torch.testing.assert_close(whole, expected, rtol=1e-4, atol=1e-5)


def test_a_batch_without_targets_is_refused(model):
    with pytest.raises(ValueError, match="the batch of step 1 has nothing to learn from"):
        next(fit(model, lambda step: masked_batch(0, 0), language_model_loss, config()))


# --- the optimiser's step -------------------------------------------------------------------------------------


def test_a_long_gradient_is_shortened_and_its_length_is_logged_before(model):
    batch = masked_batch(*[8] * 8)
    length = gradient(model, batch)[0].norm().item()
    assert length > 0.1
    before = weights(model)
    settings = config(learning_rate=1.0, grad_clip=0.1)
    (log,) = fit(model, lambda step: batch, language_model_loss, settings, descent(model))
    assert log.grad_norm == pytest.approx(length, rel=1e-3)
    assert (before - weights(model)).norm().item() == pytest.approx(0.1, rel=1e-3)


def test_only_matrices_decay(model):
    settings = config(weight_decay=0.5)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)  # AdamW then does nothing but decay
    take_step(optimizers_of(model, settings), lr=0.1)
    for name, parameter in model.named_parameters():
        is_matrix = name.endswith(".weight") and "ln_" not in name
        torch.testing.assert_close(parameter.detach(), before[name] * (0.95 if is_matrix else 1.0), msg=name)


def test_the_learning_rate_rises_in_a_line_and_falls_in_a_cosine():
    rates = [learning_rate(step, peak=1.0, final=0.1, warmup_steps=2, max_steps=6) for step in range(6)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.1 + 0.9 * 0.75, 0.1 + 0.9 * 0.25, 0.1])


def test_without_warmup_the_first_step_takes_the_peak_rate_and_a_last_step_the_final_one():
    assert learning_rate(0, 1.0, 0.1, warmup_steps=0, max_steps=1) == 1.0
    assert learning_rate(2, 1.0, 0.1, warmup_steps=0, max_steps=3) == pytest.approx(0.1)
    assert learning_rate(3, 1.0, 0.1, warmup_steps=4, max_steps=4) == 1.0


def test_each_step_is_taken_at_the_rate_that_it_logs(model):
    settings = config(max_steps=4, warmup_steps=2, learning_rate=0.5, final_learning_rate=0.1, grad_clip=0)
    before, seen = weights(model), []
    for log in fit(model, lambda step: masked_batch(3, 8), language_model_loss, settings, descent(model)):
        after = weights(model)
        seen.append((log.step, log.lr, log.tokens))
        assert (before - after).norm().item() == pytest.approx(log.lr * log.grad_norm, rel=1e-3)
        before = after
    assert seen == [(1, 0.25, 16), (2, 0.5, 16), (3, 0.5, 16), (4, pytest.approx(0.1), 16)]


# --- not a number ---------------------------------------------------------------------------------------------


def nan_loss(model: GPT, batch: Batch) -> torch.Tensor:
    return language_model_loss(model, batch) * math.nan


def finite_loss_with_a_nan_gradient(model: GPT, batch: Batch) -> torch.Tensor:
    bias = model.transformer.ln_f.bias
    return language_model_loss(model, batch) + (bias - bias.detach()).abs().sum().sqrt()


@pytest.mark.parametrize(("bad", "metric"), [(nan_loss, "loss/train"), (finite_loss_with_a_nan_gradient, "grad_norm")])
def test_what_is_not_a_number_stops_before_the_weights_change(model, bad, metric):
    settings = config(max_steps=5)
    optimizers = optimizers_of(model, settings)
    steps = iter([language_model_loss, language_model_loss, bad])
    log = fit(model, lambda step: masked_batch(8, 8), lambda m, b: next(steps)(m, b), settings, optimizers)
    assert [next(log).step, next(log).step] == [1, 2]
    before, states = weights(model), [copy.deepcopy(optimizer.state_dict()) for optimizer in optimizers]
    with pytest.raises(NotFinite, match=f"{metric} became nan at step 3") as error:
        next(log)
    assert (error.value.step, error.value.metric) == (3, metric) and math.isnan(error.value.value)
    assert torch.equal(weights(model), before)
    for optimizer, state in zip(optimizers, states, strict=True):
        for key, values in state["state"].items():
            now = optimizer.state_dict()["state"][key]
            assert all(torch.equal(value, now[name]) for name, value in values.items())


# --- learning and measuring -----------------------------------------------------------------------------------


def test_a_model_learns_a_small_text(tokenizer, make_model, text_file):
    ids = tokenizer.encode(text_file.read_text(encoding="utf-8"))
    settings = config(max_steps=80, warmup_steps=5, learning_rate=1e-2)
    batches = TokenBlocks(ids, 16, settings.batch_size, settings.seed)
    losses = [log.loss for log in fit(make_model(std=0.02), batches, language_model_loss, settings)]
    assert losses[0] == pytest.approx(math.log(300), abs=0.2)
    frequencies = torch.bincount(torch.tensor(ids)) / len(ids)
    best_without_context = torch.special.entr(frequencies).sum().item()
    assert sum(losses[-5:]) / 5 < best_without_context - 1


def test_bits_per_byte_are_the_bits_of_all_tokens_over_the_bytes_of_the_text(model, tokenizer):
    documents = ["To be, or not to be: Käfer 漢字", "that is the question"]
    ids = [tokenizer.eot, *tokenizer.encode_documents(documents)]
    bits = 0.0
    with torch.inference_mode():
        for start in range(0, len(ids) - 1, 16):  # block by block, one token at a time
            for end in range(start, min(start + 16, len(ids) - 1)):
                likely = model(torch.tensor([ids[start : end + 1]]))[0][0, -1].softmax(-1)
                bits -= math.log2(likely[ids[end + 1]])
    n_bytes = sum(len(document.encode()) for document in documents)
    for batch_size in (1, 2, 16):  # the last block is shorter than the others: it must weigh less
        metrics = held_out_metrics(model, HeldOut(documents, tokenizer, 16, batch_size))
        assert metrics["bpb/val"] == pytest.approx(bits / n_bytes, rel=1e-4)
        assert metrics["loss/val"] == pytest.approx(bits * math.log(2) / (len(ids) - 1), rel=1e-4)


def test_a_model_that_knows_nothing_needs_log2_of_the_vocabulary_a_token(make_model, tokenizer):
    checkpoint = Checkpoint(make_model(std=0.0), tokenizer, Card())
    corpus = Corpus("any", ("not measured",), ("To be, or not to be",))
    n_tokens = len(tokenizer.encode(corpus.val[0])) + 1  # <|endoftext|> is predicted too
    expected = n_tokens * math.log2(300) / len(corpus.val[0])
    assert bits_per_byte(checkpoint, corpus) == pytest.approx(expected, rel=1e-5)


def test_measuring_keeps_dropout_out_and_training_brings_it_back(make_model, tokenizer):
    model, held_out = make_model(dropout=0.5), HeldOut(["To be"], tokenizer, 16, 1)
    steps = fit(model, lambda step: masked_batch(8), language_model_loss, config(max_steps=2, learning_rate=0.0))
    with_dropout = [next(steps).loss]
    assert held_out_metrics(model, held_out) == held_out_metrics(model, held_out)
    with_dropout.append(next(steps).loss)
    without = language_model_loss(model.eval(), masked_batch(8)).item() / 8
    assert len({*with_dropout, without}) == 3  # another dropout mask every step


# --- devices --------------------------------------------------------------------------------------------------


def test_auto_takes_the_fastest_device_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == "cuda"
    assert pick_device("cpu").type == "cpu"


def test_a_device_that_is_not_there_is_refused_with_those_that_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device cuda is not available on this machine; available: cpu"):
        pick_device("cuda")
    assert pick_device("auto").type == "cpu"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
def test_the_memory_of_the_process_is_counted_at_its_peak():
    cpu = torch.device("cpu")
    held = torch.ones(2**26)  # 256 MiB
    del held
    peak, total = peak_memory(cpu), total_memory(cpu)
    assert peak is not None and total is not None
    assert 256 < peak < total < 2**24  # 16 TiB


# --- memory ---------------------------------------------------------------------------------------------------


def room_for(rows: int, model: GPT, batch: Batch) -> torch.Tensor:
    """The loss, on a device whose memory holds so many sequences: the error comes where a GPU's does."""
    if len(batch.inputs) > rows:
        raise torch.OutOfMemoryError("CUDA out of memory")
    return language_model_loss(model, batch)


def test_when_memory_runs_out_the_micro_batch_halves_and_the_same_step_goes_on(make_model):
    batch, settings = masked_batch(1, 8, 3, 5, 2, 2, 7, 4), config(max_steps=3)
    roomy, tight = make_model(), make_model()
    expected = list(fit(roomy, lambda step: batch, language_model_loss, settings, descent(roomy)))
    logs = list(fit(tight, lambda step: batch, lambda m, b: room_for(3, m, b), settings, descent(tight)))
    assert [log.micro_batch_size for log in expected] == [8, 8, 8]
    assert [log.micro_batch_size for log in logs] == [2, 2, 2]
    assert [log.step for log in logs] == [1, 2, 3]
    assert [log.loss for log in logs] == pytest.approx([log.loss for log in expected], rel=1e-5)
    torch.testing.assert_close(weights(tight), weights(roomy), rtol=1e-4, atol=1e-5)


def test_memory_that_runs_out_within_a_step_leaves_nothing_of_the_first_try_in_the_gradient(make_model):
    batch, calls = masked_batch(*[8] * 8), iter(range(100))

    def full_at_the_third(model: GPT, batch: Batch) -> torch.Tensor:
        return room_for(0 if next(calls) == 2 else 8, model, batch)  # two micro-batches had left their gradients

    undisturbed, disturbed = make_model(), make_model()
    settings = config(micro_batch_size=2)
    (expected,) = fit(undisturbed, lambda step: batch, language_model_loss, settings, descent(undisturbed))
    (log,) = fit(disturbed, lambda step: batch, full_at_the_third, settings, descent(disturbed))
    assert (log.micro_batch_size, log.loss) == (1, pytest.approx(expected.loss, rel=1e-5))
    torch.testing.assert_close(weights(disturbed), weights(undisturbed), rtol=1e-4, atol=1e-5)


def test_a_device_too_small_for_one_sequence_says_what_to_do(model):
    with pytest.raises(ValueError, match="too little memory for one sequence: turn recompute on"):
        next(fit(model, lambda step: masked_batch(8, 8), lambda m, b: room_for(0, m, b), config()))


def test_recomputing_activations_changes_no_step(make_model):
    plain, frugal = make_model(dropout=0.2), make_model(dropout=0.2)
    for model, recompute in ((plain, False), (frugal, True)):
        settings = config(max_steps=3, recompute=recompute)
        list(fit(model, lambda step: masked_batch(3, 8), language_model_loss, settings, descent(model)))
    assert frugal.transformer.recompute
    torch.testing.assert_close(weights(frugal), weights(plain), rtol=1e-5, atol=1e-6)


def test_compiled_blocks_take_the_same_steps(make_model, monkeypatch):
    """All but the last step of compiling, which writes kernels: that takes a C++ compiler and half a minute."""
    plain, compiled = make_model(), make_model()
    for block in compiled.blocks:
        monkeypatch.setattr(block, "compile", partial(block.compile, backend="aot_eager"))
    for model, compile in ((plain, "off"), (compiled, "on")):
        settings = config(max_steps=3, compile=compile)
        list(fit(model, lambda step: masked_batch(3, 8), language_model_loss, settings, descent(model)))
    assert all(block._compiled_call_impl for block in compiled.blocks)
    torch.testing.assert_close(weights(compiled), weights(plain), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("choice", "on_gpu", "seconds", "compiled_after"),
    [
        ("on", False, 1.0, 0),
        ("off", True, 1.0, None),
        ("auto", False, 1.0, None),
        ("auto", True, 0.5, TIMED),  # 1,000 steps of half a second: 15 % are more than a minute
        ("auto", True, 0.1, None),
    ],
)
def test_blocks_are_compiled_when_asked_for_or_where_a_gpu_wins_the_time_back(
    model, monkeypatch, choice, on_gpu, seconds, compiled_after
):
    monkeypatch.setattr(compiled_blocks, "can_compile", lambda device: on_gpu)
    compiled, said = [], []
    for block in model.blocks:
        monkeypatch.setattr(block, "compile", lambda: compiled.append(1))
    blocks, after = CompiledBlocks(model, choice, said.append), None
    for step in range(10):
        if compiled and after is None:
            after = step
        blocks.consider(9.0 if step < 2 else seconds, 1000 - step)  # the first ones are slow
    assert after == compiled_after
    assert (len(compiled), said) == ((0, []) if after is None else (len(model.blocks), ["compiling"]))


def test_what_cannot_be_compiled_runs_as_it_is_and_that_is_said_once(make_model, caplog):
    def no_compiler(*arguments: object) -> None:
        raise OSError("no compiler here\nand much more")

    plain, broken = make_model(), make_model()
    for block in broken.blocks:
        block.compile(backend=no_compiler)
    batch, settings = masked_batch(3, 8), config(max_steps=2)
    try:
        losses = [
            [log.loss for log in fit(m, lambda step: batch, language_model_loss, settings)] for m in (plain, broken)
        ]
    finally:
        torch.compiler.set_stance("default")
    assert losses[0] == losses[1]
    (message,) = [text for text in caplog.messages if "torch.compile fails" in text]
    assert "everything runs as it is, slower" in message and "much more" not in message


def test_older_runs_say_compile_as_true_or_false():
    assert [FitConfig.from_dict({"compile": value}).compile for value in (True, False)] == ["on", "off"]


# --- data -----------------------------------------------------------------------------------------------------


def test_the_next_batch_is_made_while_this_one_is_learned_from(model):
    asked: list[int] = []

    def batches(step: int) -> Batch:
        asked.append(step)
        return masked_batch(8)

    def loss(model: GPT, batch: Batch) -> torch.Tensor:
        deadline = time.monotonic() + 10
        while len(asked) < min(4, seen + 2) and time.monotonic() < deadline:
            time.sleep(0.001)
        return language_model_loss(model, batch)

    seen = 0
    for log in fit(model, batches, loss, config(max_steps=4)):
        assert asked == list(range(min(4, log.step + 1)))  # one ahead, and none beyond the end
        seen = log.step


def test_the_share_of_time_spent_waiting_for_data_is_logged(model):
    def slow_batches(step: int) -> Batch:
        time.sleep(0.05)
        return masked_batch(8)

    def slow_loss(model: GPT, batch: Batch) -> torch.Tensor:
        time.sleep(0.1)  # the next batch is ready before this is over
        return language_model_loss(model, batch)

    starved = [log.data_wait for log in fit(model, slow_batches, language_model_loss, config(max_steps=5))]
    assert median(starved) > 0.5 and max(starved) <= 1  # whatever else the machine does for a moment
    fed = [log.data_wait for log in fit(model, slow_batches, slow_loss, config(max_steps=5))]
    assert fed[0] > 0.1 > median(fed[1:])


# --- a model that writes what it learns from ------------------------------------------------------------------


def test_batches_that_the_model_makes_are_made_by_the_weights_of_their_step_and_are_work(model):
    made: list[torch.Tensor] = []

    def own(step: int) -> Batch:
        time.sleep(0.02)
        made.append(weights(model))
        return masked_batch(8, 8)

    log = fit(model, own, language_model_loss, config(max_steps=3), prefetch=False)
    for count, entry in enumerate(log, 1):
        assert len(made) == count, "the next one is not begun yet"
        assert entry.data_wait == 0 and entry.seconds >= 0.02
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(made))


@pytest.mark.parametrize("prefetch", [True, False])
def test_batches_may_end_a_training(model, prefetch):
    batches = {0: masked_batch(8), 1: masked_batch(8)}
    log = fit(model, batches.get, language_model_loss, config(max_steps=9), prefetch=prefetch)
    assert [entry.step for entry in log] == [1, 2]


def test_what_is_done_after_a_step_adds_metrics_to_it_and_belongs_to_its_time(model):
    def after(steps: int) -> dict[str, float]:
        time.sleep(0.02)
        return {"iteration": steps / 2} if steps % 2 == 0 else {}

    log = list(fit(model, lambda step: masked_batch(8), language_model_loss, config(max_steps=4), after_step=after))
    assert [entry.metrics for entry in log] == [{}, {"iteration": 1.0}, {}, {"iteration": 2.0}]
    assert all(entry.seconds >= 0.02 for entry in log)
