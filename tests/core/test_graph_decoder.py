"""The captured step writes what the model writes, whatever is drawn and whenever texts end.

Without a GPU the model itself takes the step, and a replay is a call: all but the kernels and the capture is tested.
"""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from core import generate, graph_decoder
from core.generate import Context, Sampling, batch, draw, stream
from core.graph_decoder import AHEAD, GraphDecoder
from core.model import GPT

ON_GPU = torch.cuda.is_available()
NEEDS_GPU = pytest.mark.skipif(not ON_GPU, reason="needs a GPU")
DEVICE = "cuda" if ON_GPU else "cpu"

PROMPTS = [[5, 290, 17, 42], [7], list(range(60, 76)), list(range(100, 109)), [5, 290, 17, 42]]
SAMPLINGS = {
    "greedy": Sampling(temperature=0, max_new_tokens=40),
    "penalised": Sampling(temperature=0, repetition_penalty=1.5, max_new_tokens=40),
    "sampled": Sampling(temperature=1.5, top_p=1.0, seed=3, max_new_tokens=40),
    "everything": Sampling(
        temperature=2.0, top_k=40, top_p=0.9, min_p=0.02, repetition_penalty=1.2, seed=7, max_new_tokens=40
    ),
}
each_sampling = pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)


class Exact(GraphDecoder):
    """In float32, as precise as the model."""

    begun = 0

    def __init__(self, model: GPT, draw: graph_decoder.Draw):
        super().__init__(model, draw, torch.float32)
        self.model = model

    def begin(self, cache, said):
        Exact.begun += 1
        super().begin(cache, said)


class Rehearsed(Exact):
    """The same without a GPU."""

    def capture(self):
        return SimpleNamespace(replay=self.advance)

    def next_logits(self, ids: Tensor) -> Tensor:
        before, self.cache.length = self.cache.length, int(self.slot)
        logits = self.model(ids[:, None], cache=self.cache, last_only=True)[0][:, -1]
        self.cache.length = before
        return logits


@pytest.fixture
def decoding(monkeypatch):
    monkeypatch.setattr(generate, "GraphDecoder", Exact if ON_GPU else Rehearsed)
    monkeypatch.setattr(generate, "can_decode", lambda model: True)
    monkeypatch.setattr(Exact, "begun", 0)


@pytest.fixture
def plain(make_model):
    """`plain(work)`: what `work(model)` returns without a captured step."""

    def plain(work, **shape):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(generate, "can_decode", lambda model: False)
            return work(make_model(**shape).to(DEVICE))

    return plain


@each_sampling
@pytest.mark.parametrize(
    "shape", [{}, dict(tie_word_embeddings=False, qkv_bias=False, activation_function="gelu")], ids=str
)
def test_it_writes_what_the_model_writes(make_model, decoding, plain, shape, sampling):
    model = make_model(**shape).to(DEVICE)
    expected = plain(lambda model: batch(model, PROMPTS, sampling), **shape)
    assert batch(model, PROMPTS, sampling) == expected
    stop = [expected[0][0], expected[1][3], expected[2][13], expected[3][25]]
    ended = plain(lambda model: batch(model, PROMPTS, sampling, stop), **shape)
    assert batch(model, PROMPTS, sampling, stop) == ended
    assert len(set(map(len, ended))) > 2 and Exact.begun > 2  # captured anew for fewer texts, and behind a slide


@each_sampling
def test_a_batch_writes_what_each_prompt_gets_alone_with_its_seed(make_model, decoding, sampling):
    model = make_model().to(DEVICE)
    alone = [
        [step.id for step in stream(model, prompt, replace(sampling, seed=sampling.seed + i))]
        for i, prompt in enumerate(PROMPTS)
    ]
    assert batch(model, PROMPTS, sampling) == alone


def test_a_stream_tells_the_models_own_probabilities(make_model, decoding, plain):
    sampling = Sampling(temperature=2.0, top_k=50, max_new_tokens=30)
    steps = list(stream(make_model().to(DEVICE), PROMPTS[0], sampling))
    expected = plain(lambda model: list(stream(model, PROMPTS[0], sampling)))
    assert [step.id for step in steps] == [step.id for step in expected]
    ours, theirs = ([step.probability for step in of] for of in (steps, expected))
    assert ours == pytest.approx(theirs, rel=1e-3)
    assert [step.alternatives[0][0] for step in steps] == [step.alternatives[0][0] for step in expected]


def test_several_tokens_are_drawn_before_anybody_looks_but_no_more_than_asked_for(make_model, decoding):
    context = Context(make_model(block_size=64).to(DEVICE), PROMPTS, Sampling(max_new_tokens=100))
    assert [len(context.write(most)[0][0]) for most in (100, 99, 5)] == [1, AHEAD, 5]
    assert len(context.write(100)[0][0]) == AHEAD and context.cache.length == 16 + AHEAD + 5 + AHEAD


@pytest.mark.parametrize(("rows", "written"), [([0, 2, 4], 5), ([1, 4], 2)])
def test_texts_that_have_ended_are_written_on_until_they_are_the_most(make_model, decoding, rows, written):
    context = Context(make_model(block_size=64).to(DEVICE), PROMPTS, SAMPLINGS["sampled"])
    context.write(1)
    context.keep(rows)
    assert len(context.decoder.ids) == len(context.cache.keys[0]) == written
    assert len(context.write(3)[0]) == len(rows)


def test_damaged_weights_are_told_in_words(make_model, decoding):
    damaged = make_model().to(DEVICE)
    with torch.no_grad():
        damaged.transformer.ln_f.weight[0] = float("nan")
    graph_decoder.TRUSTED.clear()
    for known in (False, True):  # is it that the step works for this shape?
        with pytest.raises(ValueError, match="its weights are damaged"):
            batch(damaged, PROMPTS, SAMPLINGS["sampled"])
        assert bool(graph_decoder.TRUSTED) == known  # nobody blames the step
        batch(make_model().to(DEVICE), PROMPTS, SAMPLINGS["sampled"])


@pytest.mark.parametrize(
    ("wrong", "reason"), [("logits", "its logits are off by"), ("compiler", "RuntimeError: no kernel")]
)
def test_a_step_that_does_not_work_is_not_taken_and_that_is_said_once(
    make_model, decoding, plain, monkeypatch, caplog, wrong, reason
):
    class Broken(generate.GraphDecoder):
        def next_logits(self, ids):
            if wrong == "compiler":
                raise RuntimeError("no kernel\nand much more")
            return super().next_logits(ids) * 1.2

    monkeypatch.setattr(generate, "GraphDecoder", Broken)
    model, sampling = make_model().to(DEVICE), SAMPLINGS["sampled"]
    expected = plain(lambda model: batch(model, PROMPTS, sampling))
    assert [batch(model, PROMPTS, sampling) for _ in range(2)] == [expected] * 2
    (message,) = caplog.messages
    assert f"texts come slower: {reason}" in message and "much more" not in message


# --- on a GPU -------------------------------------------------------------------------------------------------


@NEEDS_GPU
def test_in_bfloat16_the_logits_are_the_models_but_for_rounding(make_model):
    model = make_model(std=0.1, n_embd=64, n_layer=4).cuda()
    context = Context(model, PROMPTS[:2], SAMPLINGS["greedy"])
    assert context.decoder is not None and context.decoder.dtype == torch.bfloat16
    context.write(1)
    _, logits = context.write(8)
    for row, text in enumerate(context.texts):
        exact = model(torch.tensor([text[:-1]], device="cuda"))[0][0, -len(logits) :]
        assert (logits[:, row] - exact).norm() < 0.03 * exact.norm()


@NEEDS_GPU
@pytest.mark.parametrize(
    "options", [{}, dict(top_p=0.6), dict(top_k=3, top_p=1.0), dict(top_p=1.0, min_p=0.3)], ids=str
)
def test_the_gpu_draws_what_the_cpu_draws(options):
    generator = torch.Generator().manual_seed(0)
    logits, uniforms = torch.randn(500, 1000, generator=generator) * 3, torch.rand(500, generator=generator)
    sampling = Sampling(temperature=0.9, **options)
    here = draw(logits, uniforms, None, sampling)
    there = draw(logits.cuda(), uniforms.cuda(), None, sampling).cpu()
    assert (here == there).float().mean() > 0.99  # a number between two tokens may fall to either side
