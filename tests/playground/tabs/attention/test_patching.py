"""What the page asks of attribution and patching: answers are `core`'s, and what cannot be done says why."""

from pathlib import Path
from typing import Any

import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.interpretability import activations
from core.interpretability.attribution import attribute
from core.interpretability.patching import PATCHES, make_pair
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints
from playground.tabs.attention import attribution, patching
from playground.tabs.attention.activation_cache import ActivationCache

SHIPPED = Path(__file__).parents[4] / "checkpoints"
TEXT, CHANGED = "To be, or Q", "To be; or Q"
KEY = {"model": "one", "text": TEXT}


@pytest.fixture
def server(tmp_path: Path, make_model: Any, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The server functions of both parts, by name."""
    checkpoint.save(tmp_path / "one", make_model(block_size=80), tokenizer, Card())
    looks = ActivationCache(Checkpoints(tmp_path, torch.device("cpu")))
    found: dict[str, Any] = {}
    for part in (attribution, patching):
        keep = lambda *_, functions, **__: found.update({call.__name__: call for call in functions})  # noqa: E731
        monkeypatch.setattr(part, "view", keep)
        part.build(looks, None)  # type: ignore[arg-type]
    return found


def test_terms_are_those_of_the_token_that_is_chosen_typed_or_likeliest(
    server: dict[str, Any], make_model: Any, tokenizer: Tokenizer
) -> None:
    model, ids = make_model(block_size=80), tokenizer.encode(TEXT)
    seen = activations.trace(model, ids)
    ask = {"key": KEY, "query": None, "token": None, "against": None, "typed": ""}
    found = server["attribution"](ask)
    likeliest = int(activations.next_token(model, seen).argmax())
    assert (found["token"], found["position"]) == (likeliest, len(ids) - 1)
    assert found["choices"][0]["id"] == likeliest and not any(c["really_next"] for c in found["choices"])
    assert found["sum"] == pytest.approx(found["logit"], abs=1e-3)

    found = server["attribution"](ask | {"query": 1, "token": 7, "against": 9})
    expected = attribute(model, seen, 1, 7, 9)
    assert torch.tensor(found["heads"]) == pytest.approx(expected.heads, abs=1e-4)
    assert [c["id"] for c in found["choices"] if c["really_next"]] == [ids[2]]
    assert {7, 9} <= {c["id"] for c in found["choices"]}

    typed = server["attribution"](ask | {"typed": " Q7", "against": tokenizer.encode(" Q7")[0]})
    assert typed["token"] == tokenizer.encode(" Q7")[0] and typed["against"] is None
    assert f"“·Q7” is {len(tokenizer.encode(' Q7'))} tokens: the first" in typed["note"]


def test_shares_are_those_of_the_two_texts(server: dict[str, Any], make_model: Any, tokenizer: Tokenizer) -> None:
    model = make_model(block_size=80)
    clean, changed = (activations.trace(model, tokenizer.encode(text)) for text in (TEXT, CHANGED))
    pair = make_pair(model, clean, changed, tokenizer.encode(" is")[0], tokenizer.encode("m")[0])
    ask = {"key": KEY, "changed": CHANGED, "answers": [" is", "m"]}
    found = server["patching_pair"](ask)
    assert found["differences"] == pytest.approx([pair.clean_difference, pair.changed_difference], abs=1e-4)
    assert len(found["clean"]) == len(found["changed"]) and found["note"] == ""
    for kind, patch in PATCHES.items():
        shares = server["patch_layer"](ask | {"kind": kind, "layer": 1})["shares"]
        assert shares == pytest.approx(patch(model, pair, 1).tolist(), abs=1e-3)


@pytest.mark.parametrize(
    ("text", "changed", "answers", "said"),
    [
        (TEXT, "", ["", ""], "Type the changed text"),
        (TEXT, TEXT, ["", ""], "The two texts are the same"),
        (TEXT, CHANGED, ["o", "o"], "The two answers are the same token"),
        (TEXT, "To be, XY or Q", ["", ""], "nothing (0) there, “X” “Y” “·” (3) here. Choose words of equally many"),
        ("QW" * 35, "QV" * 35, ["", ""], "at most 64 tokens, these have 70: shorten both"),
    ],
)
def test_texts_that_cannot_be_patched_say_why(
    server: dict[str, Any], text: str, changed: str, answers: list[str], said: str
) -> None:
    ask = {"key": KEY | {"text": text}, "changed": changed, "answers": answers}
    assert said in server["patching_pair"](ask)["error"]


@pytest.mark.parametrize("name", ["bard-base", "bard-tiny", "bard-chat", "bard-aligned"])
def test_an_example_works_on_each_shipped_model(name: str) -> None:
    loaded = checkpoint.load(SHIPPED / name)
    assert any(patching.works(loaded, example) for example in patching.EXAMPLES)


def test_examples_are_patched_on_a_model_with_the_vocabulary_of_gpt2(
    server: dict[str, Any], make_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.interpretability.patching.LEAST_CHANGE", 0.01)  # its weights are random
    model = make_model(n_layer=1, n_embd=16, vocab_size=50_257)
    checkpoint.save(tmp_path / "gpt2", model, Tokenizer.gpt2(), Card())
    loaded = checkpoint.load(tmp_path / "gpt2")
    with monkeypatch.context() as any_change:
        any_change.setattr(patching, "CLEAR", float("-inf"))
        assert not patching.works(loaded, patching.EXAMPLES[0])  # names of unequally many tokens
    for example in patching.EXAMPLES[1:]:
        key = {"model": "gpt2", "text": example.clean}
        ask = {"key": key, "changed": example.changed, "answers": [example.answer, example.other]}
        found = server["patching_pair"](ask)
        assert found["note"] == "" and found["answers"] == [example.answer, example.other]
        before, after = found["differences"]
        assert patching.works(loaded, example) == (before - after >= patching.CLEAR)
        # All that differs at first is one embedding, and all that is read at last is one position.
        differs = [float(a != b) for a, b in zip(found["clean"], found["changed"], strict=True)]
        first, last = (server["patch_layer"](ask | {"kind": "residual", "layer": at})["shares"] for at in (0, 1))
        assert sum(differs) == 1 and first == pytest.approx(differs, abs=1e-3)
        assert last == pytest.approx([0.0] * (len(differs) - 1) + [1.0], abs=1e-3)
        assert len(server["patch_layer"](ask | {"kind": "heads", "layer": 0})["shares"]) == 2


def test_an_example_that_a_model_cannot_tell_apart_is_not_offered(server: dict[str, Any]) -> None:
    assert server["patching_examples"]({"key": KEY})["examples"] == []
