"""Mixing checkpoints: who may be mixed, what is measured, and what the card of what is kept says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core import checkpoint, task_arithmetic
from core.checkpoint import Card, weights_digest
from core.cli import main
from core.datasets.preference_files import Preference, write_preferences
from core.model import GPT
from core.model_card import how_made
from core.rlhf.steering import SteeringVectors
from core.rlhf.task_vectors import mix
from core.stages import registry
from core.task_arithmetic import Family, Mixture, describe, keep, mixed, parent_of, read_family, sweep
from core.tokenizer import Tokenizer
from core.workspace import Workspace

VOTES = [Preference(f"{n}: to be?", "Ay.", "Tomorrow, and tomorrow.") for n in range(12)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, make_model: Callable[..., GPT], tokenizer: Tokenizer) -> Path:
    """parent; one and two, its children; other, made from something else; small and foreign, which cannot be mixed."""
    place = tmp_path_factory.mktemp("models")
    checkpoint.save(place / "parent", make_model(block_size=128), tokenizer, Card("sft"))
    digest = {"parent_sha256": weights_digest(place / "parent")}

    def save(name: str, model: GPT, parent: str | None = "parent", **data: str) -> None:
        checkpoint.save(place / name, model, tokenizer, Card("dpo", parent, data=digest | data))

    save("one", make_model(block_size=128, std=0.31))
    save("two", make_model(block_size=128, std=0.32))
    save("other", make_model(block_size=128), "elsewhere")
    save("alone", make_model(block_size=128), None)
    save("small", make_model())
    save("older", make_model(block_size=128), parent_sha256="0" * 64)
    foreign = Tokenizer.train("another text altogether, with other tokens", 270)
    checkpoint.save(
        place / "foreign", make_model(block_size=128, vocab_size=270), foreign, Card("dpo", "parent", data=digest)
    )
    return place


def family_of(place: Path, *names: str) -> Family:
    return read_family([place / name for name in names], lambda name: place / name)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ((), "name at least one model that was trained from another one"),
        (("alone",), "alone was not made from another model here"),
        (("one", "other"), "one was made from parent, and other from elsewhere: only children of one parent"),
        (("other",), "the parent of other, elsewhere, is not there any more: restore it from the trash"),
        (("small",), "small cannot be mixed with its parent parent: .* block_size 128 and 16"),
        (("foreign",), r"foreign reads another vocabulary than its parent parent \(270 and 300 tokens\)"),
        (("older",), "parent has changed since older was made from it"),
    ],
)
def test_what_does_not_belong_together_is_told_in_words(models: Path, names: tuple[str, ...], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        family_of(models, *names)


def test_amounts_and_strengths_have_bounds():
    with pytest.raises(ValueError, match=r"the amount of one must be between -1 and 2, got 2.5"):
        Mixture((("one", 2.5),))
    with pytest.raises(ValueError, match="the amount of one must be between -1 and 2, got nan"):
        Mixture((("one", float("nan")),))
    with pytest.raises(ValueError, match="the strength of steering must be between -10 and 10, got -11"):
        Mixture(strength=-11.0)


def test_a_mixture_is_that_of_its_models_and_then_steered(models: Path):
    family = family_of(models, "one", "two")
    one, two = (family.children[name].model for name in ("one", "two"))
    wish = Mixture((("one", 0.5), ("two", 0.25)), frozenset({"mlp.0"}))
    plain = mix(family.parent.model, [(one, 0.5), (two, 0.25)], {"mlp.0"})
    torch.testing.assert_close(mixed(family, wish).state_dict(), plain.state_dict(), rtol=0, atol=0)
    vectors = SteeringVectors(torch.ones(2, 32), votes=10)
    bias = mixed(family, replace(wish, layer=1, strength=2.0), vectors).blocks[1].mlp.c_proj.bias
    torch.testing.assert_close(bias, plain.blocks[1].mlp.c_proj.bias + 2)
    with pytest.raises(ValueError, match="there is no steering vector: name votes"):
        mixed(family, replace(wish, strength=2.0))
    with pytest.raises(ValueError, match="layer must be between 1 and 2, got 4"):
        mixed(family, replace(wish, strength=2.0, layer=3), vectors)
    said = "parent + 0.5 (one - parent) + 0.25 (two - parent), without mlp.0, steered by 2 at layer 2"
    assert describe(replace(wish, layer=1, strength=2.0), family) == said


def test_the_sweep_measures_the_parent_at_0_and_moves_away_from_it(models: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(task_arithmetic, "held_out_prompts", lambda count: ["To be?", "Who is it?", "Ay?"][:count])
    family = family_of(models, "one")
    measure = task_arithmetic.evaluator(family, "question", prompts=3)
    wishes = [Mixture((("one", a),)) for a in (0.0, 1.0, 2.0)]
    found = [measured.kl.value for _, measured in sweep(family, wishes, measure)]
    assert found[0] == pytest.approx(0, abs=1e-5) and 0 < found[1] < found[2]


def test_what_is_kept_answers_says_what_it_is_made_of_and_is_a_child_itself(models: Path, tmp_path: Path):
    family, wish = family_of(models, "one", "two"), Mixture((("one", 1.0), ("two", 0.0)), frozenset({"mlp.0"}))
    directory = tmp_path / "kept"
    keep(directory, family, wish)
    kept = checkpoint.load(directory)
    for name, value in mixed(family, wish).state_dict().items():
        assert torch.equal(kept.model.state_dict()[name], value), name
    assert registry.answers(kept.card) and (kept.card.stage, kept.card.parent) == ("mix", "parent")
    assert kept.card.data["mixed"] == {"one": 1.0} and kept.card.data["left out"] == ["mlp.0"]
    assert how_made(kept.card).startswith("Mixed: `parent` and 1 times what `one` has learned, by task arithmetic")
    assert parent_of([directory, models / "two"]) == "parent"
    again = read_family([directory], lambda name: models / name)
    assert list(again.children) == ["kept"]
    with pytest.raises(ValueError, match="kept"):
        keep(directory, family, wish)


def test_a_child_that_is_renamed_is_known_by_its_new_name_on_the_card_of_a_mixture(
    tmp_path: Path, model: GPT, tokenizer: Tokenizer
):
    checkpoint.save(tmp_path / "one", model, tokenizer, Card("dpo", "parent"))
    checkpoint.save(
        tmp_path / "kept", model, tokenizer, Card("mix", "parent", data={"mixed": {"one": 0.5, "two": 1.0}})
    )
    Workspace(tmp_path).rename("one", "uno")
    assert checkpoint.read_card(tmp_path / "kept" / "card.json").data["mixed"] == {"uno": 0.5, "two": 1.0}


def test_the_command_keeps_a_steered_mixture_and_says_what_is_missing(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_preferences(votes := tmp_path / "votes.jsonl", VOTES)
    child, kept = str(models / "one"), tmp_path / "kept"
    steering = ["--votes", str(votes), "--layer", "2", "--strength", "1.5"]
    assert main(["mix", child, "--amount", "0.5", *steering, "--keep", str(kept)]) == 0
    assert checkpoint.read_card(kept / "card.json").data["steering"] == {"layer": 2, "strength": 1.5, "votes": 12}
    for wrong, sentence in (
        (["--keep", str(tmp_path / "x")], "--keep needs one mixture"),
        (["--amount", "1", "--amount", "1"], "give --amount once for each of the 1 children, got 2"),
        (["--strength", "1"], "name their file with --votes"),
        (["--amount", "3"], "the amount of one must be between -1 and 2, got 3"),
    ):
        assert main(["mix", child, *wrong]) == 1
        assert sentence in capsys.readouterr().err
