"""A model as one HTML file: what it holds, what rounding costs, and which models it refuses."""

import json
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from core import checkpoint, html_file
from core.added_words import AddedWord
from core.chat_template import encode_prompt, turn_ends
from core.checkpoint import Card
from core.datasets.prompts import held_out_prompts
from core.export import export
from core.generate import Sampling, batch
from core.tokenizer import Tokenizer
from tests.helpers.rounding import rounded

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
SIZES = {"int8": 1, "float16": 2, "float32": 4}  # bytes of a number
SAME = 0.85  # of the answers, letter by letter


@pytest.fixture
def save(tmp_path, tokenizer):
    def save(model, tokenizer=tokenizer) -> Path:
        checkpoint.save(tmp_path / "a<b>", model, tokenizer, Card("pretrain", None, 3))
        return tmp_path / "a<b>"

    return save


def test_rounding_leaves_the_likeliest_answers_of_the_chat_model_as_they_are():
    loaded = checkpoint.load(CHECKPOINTS / "bard-chat")
    model, tokenizer = loaded.model.eval(), loaded.tokenizer
    page = rounded(model)
    prompts = [encode_prompt(tokenizer, [{"role": "user", "content": line}]) for line in held_out_prompts(40)]
    sampling = Sampling(max_new_tokens=50, temperature=0)
    answers, theirs = (batch(one, prompts, sampling, turn_ends(tokenizer)) for one in (model, page))
    assert sum(a == b for a, b in zip(answers, theirs, strict=True)) >= SAME * len(prompts)
    ids = torch.tensor([prompts[0]])
    before, after = (one(ids)[0][0].log_softmax(-1) for one in (model, page))
    assert F.kl_div(after, before, reduction="batchmean", log_target=True) < 1e-3  # nats a token


def test_every_tensor_is_held_once_and_ends_where_the_next_begins(model):
    content, entries = html_file.packed(model)
    assert sum(entry["size"] for entry in entries) == model.config.n_params  # a tied head once, no padding rows
    ends = [entry["start"] + entry["size"] * SIZES[entry["kind"]] + 4 * entry["rows"] for entry in entries]
    starts = [entry["start"] for entry in entries[1:]] + [len(content)]
    assert all(0 <= start - end < 4 for start, end in zip(starts, ends, strict=True))


def test_what_a_model_is_called_cannot_become_markup(save, model, tmp_path):
    export(save(model), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "a<b>" not in page
    assert page.count("<script") == page.count("</script>") == 4
    data = json.loads(re.search(r'id="data">(.*)</script>', page)[1])
    assert (data["name"], data["template"]) == ("a<b>", None)


def test_a_model_that_is_too_large_is_refused_in_words(save, model, tmp_path, monkeypatch):
    monkeypatch.setattr(html_file, "MOST_WEIGHTS", 1000)
    with pytest.raises(ValueError, match="export it as GGUF"):
        export(save(model), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_vocabulary_with_words_of_its_own_is_refused_in_words(save, make_model, tokenizer, tmp_path):
    with_words = Tokenizer(tokenizer.ranks, words={AddedWord("<fin>"): tokenizer.vocab_size})
    model = make_model(vocab_size=with_words.vocab_size)
    with pytest.raises(ValueError, match="words or a pattern of its own"):
        export(save(model, with_words), tmp_path / "page.html")
