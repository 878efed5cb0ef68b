"""Generation: greedy is the argmax of full passes and what Hugging Face writes, many at once write what each writes
alone, sampling is what the definitions say, text comes whole."""

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2LMHeadModel
from transformers.generation import logits_process

from core import checkpoint, generate
from core.checkpoint import Card
from core.generate import (
    SHORTLIST,
    Sampling,
    batch,
    context_start,
    distribution,
    draw,
    stream,
    stream_text,
    tokens_in,
)
from core.tokenizer import Tokenizer

PROMPT = [5, 290, 17, 42]
GREEDY = Sampling(temperature=0, max_new_tokens=40)


def ids_of(model, sampling: Sampling, prompt: list[int] = PROMPT, **options) -> list[int]:
    return [step.id for step in stream(model, prompt, sampling, **options)]


@torch.inference_mode()
def full_pass(model, ids: list[int]) -> torch.Tensor:
    """Logits (V,) of the token after `ids`, without a cache, of what the context still holds."""
    seen = ids[context_start(len(ids), model.config.block_size) :]
    return model(torch.tensor([seen]))[0][0, -1]


# --- against the model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", [PROMPT, list(range(60, 76))], ids=["short", "as_long_as_the_context"])
def test_greedy_takes_the_likeliest_of_a_full_pass_also_beyond_the_context(model, prompt):
    ids = list(prompt)
    for _ in range(GREEDY.max_new_tokens):
        ids.append(int(full_pass(model, ids).argmax()))
    assert ids_of(model, GREEDY, prompt) == ids[len(prompt) :]
    assert len(set(ids)) > 10  # not a model that says one thing only


def test_probabilities_and_alternatives_are_the_models_own(model):
    ids = list(PROMPT)
    for step in stream(model, ids, Sampling(temperature=2.0, top_k=50, max_new_tokens=20), n_alternatives=3):
        likely = full_pass(model, ids).softmax(0)
        assert step.probability == pytest.approx(float(likely[step.id]), rel=1e-3)
        assert [id for id, _ in step.alternatives] == likely.topk(3).indices.tolist()
        assert [p for _, p in step.alternatives] == pytest.approx(likely.topk(3).values.tolist(), rel=1e-3)
        ids.append(step.id)


@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_greedy_texts_are_those_that_hugging_face_writes(model, tokenizer, tmp_path, penalty):
    checkpoint.save(tmp_path / "saved", model, tokenizer, Card())
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path / "saved")
    prompts = [PROMPT, [7], list(range(60, 66))]
    sampling = Sampling(temperature=0, repetition_penalty=penalty, max_new_tokens=10)  # as far as the context goes
    options = dict(do_sample=False, max_new_tokens=10, repetition_penalty=penalty, pad_token_id=tokenizer.eot)
    written = batch(model, prompts, sampling, stop=[tokenizer.eot])
    for prompt, ids in zip(prompts, written, strict=True):
        idx = torch.tensor([prompt])
        (expected,) = theirs.generate(idx, attention_mask=torch.ones_like(idx), **options).tolist()
        assert prompt + ids == [id for id in expected if id != tokenizer.eot]


@given(st.integers(1, 300), st.integers(1, 40))
def test_the_context_is_never_longer_than_a_block_nor_shorter_than_half_of_one(length, block_size):
    start = context_start(length, block_size)
    assert length - start <= block_size
    assert length - start >= min(length, block_size - block_size // 2)
    assert context_start(length + 1, block_size) >= start


def test_the_context_slides_by_half_a_block():
    assert [context_start(n, 8) for n in (1, 8, 9, 12, 13, 16, 17)] == [0, 0, 4, 4, 8, 8, 12]


# --- many at once ---------------------------------------------------------------------------------------------

PROMPTS = [PROMPT, [7], list(range(60, 76)), list(range(100, 109)), PROMPT]  # slide at four different times
SAMPLINGS = [
    GREEDY,
    Sampling(temperature=0, repetition_penalty=1.5, max_new_tokens=40),
    Sampling(temperature=1.5, top_p=1.0, seed=3, max_new_tokens=40),
    Sampling(temperature=2.0, top_k=40, top_p=0.9, min_p=0.02, repetition_penalty=1.2, seed=7, max_new_tokens=40),
]


def each_alone(model, prompts: list[list[int]], sampling: Sampling, **options) -> list[list[int]]:
    return [
        ids_of(model, replace(sampling, seed=sampling.seed + i), prompt, **options) for i, prompt in enumerate(prompts)
    ]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=["greedy", "penalised", "sampled", "everything"])
def test_a_batch_writes_what_each_prompt_gets_alone_with_its_seed(model, sampling):
    expected = each_alone(model, PROMPTS, sampling)
    assert batch(model, PROMPTS, sampling) == expected
    assert (expected[0] == expected[-1]) == (sampling.temperature == 0)  # the same prompt, another seed


def test_texts_that_are_read_in_groups_of_like_length_are_those_that_each_gets_alone(model, monkeypatch):
    """Whatever was in the memory that their padding takes: here, NaN."""
    sampling = Sampling(temperature=1.5, top_p=1.0, max_new_tokens=40)
    prompts = [list(range(60, 60 + n)) for n in (9, 1, 14, 3, 16)]
    expected = each_alone(model, prompts, sampling)
    monkeypatch.setattr(generate, "OF_LIKE_LENGTH", 2)
    torch.use_deterministic_algorithms(True)  # which fills new memory
    try:
        assert batch(model, prompts, sampling) == expected
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=["greedy", "penalised", "sampled", "everything"])
def test_texts_of_a_batch_end_each_at_its_own_time(model, sampling):
    whole = each_alone(model, PROMPTS, sampling)
    stop = [whole[0][0], whole[1][3], whole[2][13], whole[3][25]]
    expected = each_alone(model, PROMPTS, sampling, stop=stop)
    assert batch(model, PROMPTS, sampling, stop=stop) == expected
    assert expected[0] == []
    assert len(set(map(len, expected))) > 2


def test_a_text_goes_on_when_a_longer_one_has_filled_the_context_and_ended(model):
    sampling = Sampling(temperature=2.0, max_new_tokens=10)
    prompts = [list(range(60, 75)), list(range(100, 108))]
    stop = ids_of(model, sampling, prompts[0])[1]
    expected = each_alone(model, prompts, sampling, stop=[stop])
    assert [len(ids) for ids in expected] == [1, 10]  # the first one's 16 tokens filled the shared cache
    assert batch(model, prompts, sampling, stop=[stop]) == expected


def test_each_token_is_read_once_until_the_context_slides(model):
    read = []
    model.register_forward_pre_hook(lambda model, arguments: read.append(tuple(arguments[0].shape)))
    batch(model, [list(range(10)), PROMPT], replace(GREEDY, max_new_tokens=13))
    # When they have 17 and 11 tokens, the first slides by 8 and leaves 9 to see; the second still sees all.
    assert read == [(2, 10), *[(2, 1)] * 6, (2, 11), *[(2, 1)] * 5]


# --- sampling -------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_text_whatever_else_is_drawn(model):
    torch.manual_seed(1)
    first = ids_of(model, Sampling(seed=3, max_new_tokens=30))
    torch.manual_seed(2)
    assert ids_of(model, Sampling(seed=3, max_new_tokens=30)) == first
    assert ids_of(model, Sampling(seed=4, max_new_tokens=30)) != first


def test_top_k_of_1_is_greedy(model):
    assert ids_of(model, Sampling(top_k=1, temperature=2.0, top_p=1.0, max_new_tokens=40)) == ids_of(model, GREEDY)


@pytest.mark.parametrize("temperature", [1e-3, 1e-39, 1e-300])
def test_a_temperature_near_zero_is_greedy(model, temperature):
    assert ids_of(model, Sampling(temperature=temperature, max_new_tokens=5)) == ids_of(model, GREEDY)[:5]


PROBABILITIES = torch.tensor([0.1, 0.4, 0.3, 0.2])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (dict(temperature=1.0, top_p=1.0), [0.1, 0.4, 0.3, 0.2]),
        (dict(temperature=0.5, top_p=1.0), [1 / 30, 16 / 30, 9 / 30, 4 / 30]),  # squares
        (dict(temperature=1.0, top_k=2, top_p=1.0), [0, 4 / 7, 3 / 7, 0]),
        (dict(temperature=1.0, top_k=4, top_p=1.0), [0.1, 0.4, 0.3, 0.2]),
        (dict(temperature=1.0, top_p=0.01), [0, 1, 0, 0]),  # the likeliest always stays
        (dict(temperature=1.0, top_p=0.65), [0, 4 / 7, 3 / 7, 0]),
        (dict(temperature=1.0, top_p=0.75), [0, 4 / 9, 3 / 9, 2 / 9]),  # the token that crosses top_p counts
        (dict(temperature=1.0, top_k=3, top_p=0.75), [0, 4 / 7, 3 / 7, 0]),  # of 4/9, 3/9, 2/9: 7/9 reaches it
        (dict(temperature=0.5, top_p=0.6), [0, 16 / 25, 9 / 25, 0]),  # top-p sees the sharpened distribution
        (dict(temperature=1.0, top_p=1.0, min_p=0.6), [0, 4 / 7, 3 / 7, 0]),  # at least 0.6 x 0.4
        (dict(temperature=1.0, top_p=1.0, min_p=1.0), [0, 1, 0, 0]),  # the likeliest always stays
        (dict(temperature=0.5, top_p=1.0, min_p=0.3), [0, 16 / 25, 9 / 25, 0]),  # at least 0.3 x 16 of 16, 9, 4, 1
        (dict(temperature=1.0, top_p=0.65, min_p=0.3), [0, 4 / 7, 3 / 7, 0]),  # what top-p took stays away
    ],
)
def test_the_distribution_is_reshaped_as_worked_out_by_hand(options, expected):
    (shaped,) = distribution(PROBABILITIES.log()[None], [[]], Sampling(**options))
    torch.testing.assert_close(shaped, torch.tensor(expected, dtype=torch.float32))


SHAPINGS = [
    dict(top_p=1.0),
    dict(top_p=1.0, top_k=20),
    dict(top_p=0.7),
    dict(top_p=1.0, min_p=0.1),
    dict(top_p=1.0, repetition_penalty=1.7),
    dict(top_p=0.9, top_k=40, min_p=0.05, repetition_penalty=1.2),
]


@pytest.mark.parametrize("options", SHAPINGS, ids=str)
@pytest.mark.parametrize("temperature", [0.7, 1.3])
def test_the_distribution_is_reshaped_as_hugging_faces(options, temperature):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 300, generator=generator) * 3
    texts = torch.randint(300, (5, 100), generator=generator)
    sampling = Sampling(temperature=temperature, **options)
    expected = hugging_faces_distribution(logits, texts, sampling)
    torch.testing.assert_close(distribution(logits, texts.tolist(), sampling), expected)


def hugging_faces_distribution(logits: torch.Tensor, texts: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    steps = [
        logits_process.RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty),
        logits_process.TemperatureLogitsWarper(sampling.temperature),
        logits_process.TopKLogitsWarper(sampling.top_k or logits.shape[1]),
        logits_process.TopPLogitsWarper(sampling.top_p),
        logits_process.MinPLogitsWarper(sampling.min_p),
    ]
    return logits_process.LogitsProcessorList(steps)(texts, logits).softmax(1)


def test_tokens_are_drawn_as_often_as_the_distribution_says():
    uniforms = (torch.arange(900) + 0.5) / 900
    drawn = draw(PROBABILITIES.log().expand(900, 4), uniforms, None, Sampling(temperature=1.0, top_k=3, top_p=1.0))
    assert torch.bincount(drawn, minlength=4).tolist() == [0, 400, 300, 200]


LARGE = 4 * SHORTLIST  # a vocabulary of which the CPU sorts a shortlist only
PEAKED, FLAT = 4.0, 0.5  # logits' standard deviation: top-p needs some tokens, or more than the shortlist has


@pytest.mark.parametrize("spread", [PEAKED, FLAT], ids=["peaked", "flat"])
@pytest.mark.parametrize("options", SHAPINGS, ids=str)
def test_many_draws_follow_hugging_faces_distribution(options, spread):
    generator, n = torch.Generator().manual_seed(0), 3000
    logits = torch.randn(1, LARGE, generator=generator) * spread
    text = torch.randint(LARGE, (1, 300), generator=generator)
    sampling = Sampling(temperature=0.9, **options)
    (expected,) = hugging_faces_distribution(logits, text, sampling)
    said = tokens_in(text.tolist(), LARGE) if sampling.repetition_penalty > 1 else None
    uniforms = torch.rand(n, generator=generator)
    drawn = draw(logits.expand(n, -1), uniforms, said if said is None else said.expand(n, -1), sampling)
    assert expected[drawn].min() > 0
    ranks = expected.argsort(descending=True)
    bins = torch.empty(LARGE, dtype=torch.long)
    bins[ranks] = (expected[ranks].double().cumsum(0) * 20).ceil().long()  # tokens of like probability, about 1/20
    counts = torch.bincount(bins[drawn], minlength=22)
    wanted = n * torch.zeros(22).index_add(0, bins, expected)
    there = wanted > 0.5
    assert counts[~there].sum() <= 3
    chi_squared = ((counts - wanted)[there].square() / wanted[there]).sum()
    assert chi_squared < 50  # with 20 degrees of freedom, 1 of 4,000 is above


@pytest.mark.parametrize(
    "options", [dict(top_k=1), dict(top_p=0.01), dict(top_p=1.0, min_p=1.0), dict(temperature=1e-4)], ids=str
)
def test_where_one_token_alone_can_be_drawn_it_is(options):
    logits = torch.randn(50, LARGE, generator=torch.Generator().manual_seed(0)) * PEAKED
    for uniform in (0.0, 0.5, 1 - 2**-24):
        drawn = draw(logits, torch.full((50,), uniform), None, Sampling(**{"temperature": 1.0, **options}))
        assert torch.equal(drawn, logits.argmax(1))


@pytest.mark.parametrize("options", [dict(top_p=0.9), dict(top_p=0.9, min_p=0.01)], ids=str)
def test_the_shortlist_draws_what_sorting_all_draws_whatever_else_is_in_the_batch(options, monkeypatch):
    generator, sampling = torch.Generator().manual_seed(0), Sampling(temperature=1.0, **options)
    logits = torch.randn(200, LARGE, generator=generator) * torch.tensor([PEAKED, FLAT]).repeat(100)[:, None]
    uniforms = torch.rand(200, generator=generator)
    drawn = draw(logits, uniforms, None, sampling)
    alone = [draw(logits[i : i + 1], uniforms[i : i + 1], None, sampling) for i in range(200)]
    assert torch.equal(drawn, torch.cat(alone))
    monkeypatch.setattr(generate, "SHORTLIST", LARGE)
    assert torch.equal(draw(logits, uniforms, None, sampling), drawn)


def test_what_a_text_holds_is_known_also_when_another_one_has_ended(model):
    sampling = Sampling(temperature=2.0, repetition_penalty=3.0, max_new_tokens=6)
    context = generate.Context(model, PROMPTS[:3], sampling)
    context.write(1)
    context.keep([0, 2])
    context.write(1)
    assert torch.equal(context.said, tokens_in(context.texts, model.config.vocab_size))


def test_a_padded_id_is_never_drawn(make_model):
    model = make_model(vocab_size=65)  # 63 padding rows
    with torch.no_grad():
        model.transformer.wte.weight[65:] = model.transformer.wte.weight[:63]
    drawn = ids_of(model, Sampling(temperature=5.0, top_p=1.0, max_new_tokens=200), [5])
    assert len(set(drawn)) > 30
    assert max(drawn) < 65


# --- ends and errors ------------------------------------------------------------------------------------------


def test_it_ends_before_a_stop_token(model):
    ids = ids_of(model, GREEDY)
    stop = next(id for i, id in enumerate(ids) if i > 3 and id not in ids[:i])
    assert ids_of(model, GREEDY, stop=[stop, 299]) == ids[: ids.index(stop)]


@pytest.fixture(params=["stream", "batch"])
def write(request):
    """`write(model, prompt, sampling)`: one continuation, from either of the two."""

    def write(model, prompt: list[int], sampling: Sampling) -> list[int]:
        return (
            batch(model, [PROMPT, prompt], sampling)[1] if request.param == "batch" else ids_of(model, sampling, prompt)
        )

    return write


@pytest.mark.parametrize(
    ("prompt", "options", "sentence"),
    [
        ([], {}, "nothing to continue: give at least one token"),
        ([1] * 17, {}, "the prompt has 17 tokens, but the model's context holds 16: shorten it"),
        ([1, 300, 2], {}, "token id 300 is outside the vocabulary of 300"),  # though the table has 320 rows
        ([1, -1, 2], {}, "token id -1 is outside the vocabulary of 300"),
        ([1], {"top_k": 301}, "top_k must be at most the vocabulary's 300 tokens, got 301; 0 = all"),
        ([1], {"temperature": -0.5}, "temperature must be between 0 and 5, got -0.5"),
    ],
)
def test_what_cannot_be_continued_is_refused_in_words(model, write, prompt, options, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        write(model, prompt, Sampling(**options))


def test_the_longest_prompt_and_the_largest_top_k_and_id_are_taken(model, write):
    assert len(write(model, [299] * 16, Sampling(top_k=300, max_new_tokens=2))) == 2


def test_a_batch_of_nothing_is_refused(model):
    with pytest.raises(ValueError, match="nothing to continue: give at least one prompt"):
        batch(model, [], GREEDY)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0, 1])
def test_damaged_weights_are_told_in_words(model, write, bad, temperature):
    with torch.no_grad():
        model.transformer.ln_f.weight[0] = bad
    with pytest.raises(ValueError, match="its weights are damaged"):
        write(model, PROMPT, Sampling(temperature=temperature))


def test_no_mode_leaks_to_who_consumes_the_stream_and_dropout_is_off(make_model):
    model = make_model(dropout=0.5).train()
    steps = stream(model, PROMPT, GREEDY)
    first = next(steps)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert first.id == int(full_pass(model.eval(), PROMPT).argmax())


# --- text -----------------------------------------------------------------------------------------------------

BYTES = Tokenizer.train("", 259)  # every character beyond ASCII is split over tokens


@pytest.fixture
def say(make_model, monkeypatch):
    """`say(content)`: the texts of the steps of a model that generates these bytes, then `<|endoftext|>`."""

    def say(content: bytes, max_new_tokens: int = 100, **options) -> list[str]:
        script = iter([*(BYTES.ranks[bytes([b])] for b in content), BYTES.eot])

        def next_logits(context):
            return torch.nn.functional.one_hot(torch.tensor([next(script)]), BYTES.vocab_size) * 100.0

        monkeypatch.setattr(generate.Context, "next_logits", next_logits)
        return [
            step.text
            for step in stream_text(make_model(vocab_size=259), BYTES, [], Sampling(max_new_tokens), **options)
        ]

    return say


def test_characters_come_whole(say):
    assert say("aä漢🙂!".encode()) == ["a", "", "ä", "", "", "漢", "", "", "", "🙂", "!"]


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"a\xffb", "a\ufffdb"), (b"\xe6\xbca", "\ufffda"), (b"\xf0\x9f\x99\x82\x82", "🙂\ufffd")],
)
def test_bytes_that_form_no_character_are_replaced(say, content, text):
    assert "".join(say(content)) == text == content.decode("utf-8", "replace")


def test_an_empty_prompt_begins_a_document_and_a_prompt_is_continued(model, tokenizer):
    for prompt, read in [([], [tokenizer.eot]), (PROMPT, PROMPT)]:
        steps = list(stream_text(model, tokenizer, prompt, GREEDY))
        assert [step.id for step in steps] == ids_of(model, GREEDY, read, stop=[tokenizer.eot])


def test_a_text_ends_before_end_of_text_unless_told_otherwise(say):
    assert "".join(say(b"done")) == "done"
    assert "".join(say(b"done", max_new_tokens=5, stop=())) == "done<|endoftext|>"
