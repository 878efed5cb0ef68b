"""Online DPO: rounds go on from each other, measured from one parent; versions are whole, and become checkpoints."""

import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from core import checkpoint, lora, online_dpo
from core.checkpoint import Card, weights_digest
from core.datasets.preference_files import Preference
from core.datasets.preference_pairs import encode_pairs
from core.model import GPT
from core.online_dpo import Round, hold, learn, lineage, read_version, version_directory, version_model, versions
from core.stages.dpo import log_ratios, with_reference
from core.tokenizer import Tokenizer

PAIRS = [
    Preference("To be?", "Ay.", "Tomorrow, and tomorrow."),
    Preference("Who is it?", "No.", "The question of the sea.", history=(("user", "Ho!"), ("assistant", "Ay?"))),
    Preference("To be?", "Ay.", "No.", tie=True),
]


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory, make_model: Callable[..., GPT], tokenizer: Tokenizer) -> Path:
    directory = tmp_path_factory.mktemp("models") / "one"
    checkpoint.save(directory, make_model(block_size=64, std=0.1), tokenizer, Card(stage="sft"))
    return directory


@pytest.fixture
def first(parent: Path, tmp_path: Path) -> Round:
    session = str(tmp_path / "session")
    return Round(str(parent), weights_digest(parent), session, 1, 0, PAIRS, ["To be?", "Who is it?"], "cpu")


def margins(parent: Path, session: str, number: int) -> list[float]:
    """log pi - log ref of the preferred answers, less that of the others, of the votes that are no ties."""
    loaded = checkpoint.load(parent)
    pairs = with_reference(loaded.model, encode_pairs(loaded.tokenizer, PAIRS[:2], 64)[0], "float32")
    moved = log_ratios(version_model(loaded.model, Path(session), number), pairs, "float32")
    return (moved[:, 0] - moved[:, 1]).tolist()


def test_a_round_prefers_what_was_voted_for_and_the_next_goes_on_from_it(first: Round, parent: Path):
    one = learn(first)
    two = learn(replace(first, number=2, origin=1))
    assert (one.votes, one.steps, two.origin, two.steps) == (3, online_dpo.STEPS, 1, 2 * online_dpo.STEPS)
    ahead = [margins(parent, first.session, number) for number in (1, 2)]
    assert all(0 < before < after for before, after in zip(*ahead, strict=True))
    assert 0 < one.kl < two.kl, "how far it has moved is measured from the parent, not from the version before"
    known = versions(Path(first.session))
    assert known == {1: one, 2: two} and lineage(known, 2) == [one, two] and lineage(known, 0) == []


def test_a_version_that_has_gone_too_far_is_drawn_back_the_way_that_it_went(
    first: Round, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    free = learn(first)
    monkeypatch.setattr(online_dpo, "MOST_KL", free.kl / 4)
    held = learn(replace(first, session=str(tmp_path / "other")))
    assert free.kl / 16 < held.kl <= free.kl / 4
    both = (version_directory(Path(at), 1) / lora.ADAPTER_FILE for at in (first.session, tmp_path / "other"))
    far, near = map(checkpoint.read_tensors, both)
    for name in far:
        share = near[name].norm() / far[name].norm()
        torch.testing.assert_close(near[name], share * far[name])
        assert share == 1 if name.endswith(".A") else 0.2 < share < 0.6


def test_as_much_of_a_change_stays_as_may(make_model: Callable[..., GPT]):
    policy = make_model()
    lora.add(policy, rank=2, alpha=4.0)
    for name, parameter in policy.named_parameters():
        if name.endswith(".B"):
            torch.nn.init.ones_(parameter)
    before = {name: weight.clone() for name, weight in lora.merge_adapters(policy).named_parameters()}
    plain = dict(make_model().named_parameters())
    changed = max(before, key=lambda name: (before[name] - plain[name]).abs().max().item())

    @torch.no_grad()
    def distance(model: GPT) -> float:
        """As the third power of the change, 1 at first."""
        moved = dict(model.named_parameters())[changed] - plain[changed]
        return float((moved.norm() / (before[changed] - plain[changed]).norm()) ** 3)

    assert hold(policy, 2.0, distance) == pytest.approx(1.0)
    kept = (3 * math.sqrt(0.5) + 1) / 4  # of the root, which is within, and 1 the middle is too much, and this is not
    assert hold(policy, 0.5, distance) == pytest.approx(kept**3, rel=1e-4)
    assert distance(lora.merge_adapters(policy)) == pytest.approx(kept**3, rel=1e-4)


def test_at_a_rate_of_zero_a_version_is_its_parent_bit_for_bit(
    first: Round, parent: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(online_dpo, "LEARNING_RATE", 0.0)
    assert learn(first).kl == pytest.approx(0, abs=1e-6)
    model = checkpoint.load(parent).model
    same = version_model(model, Path(first.session), 1)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))


def test_a_version_that_is_kept_is_a_checkpoint_with_its_lineage(first: Round, parent: Path, tmp_path: Path):
    learn(first)
    learn(replace(first, number=4, origin=1))
    online_dpo.keep(tmp_path / "kept", parent, first.digest, Path(first.session), 4)
    kept = checkpoint.load(tmp_path / "kept")
    assert (kept.card.stage, kept.card.parent, kept.card.step) == ("dpo", "one", 2 * online_dpo.STEPS)
    assert kept.card.data["votes"] == 3 and kept.card.data["rounds while voting"].count("KL") == 2
    idx = torch.tensor([[1, 2, 3]])
    expected = version_model(checkpoint.load(parent).model, Path(first.session), 4)(idx)[0]
    torch.testing.assert_close(kept.model(idx)[0], expected, atol=5e-3, rtol=5e-3)  # in half precision
    with pytest.raises(ValueError, match="already something called kept"):
        online_dpo.keep(tmp_path / "kept", parent, first.digest, Path(first.session), 4)


def answer(task: Round, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict:
    """What the process of a round says, run in this one."""
    return answers([task], monkeypatch, capsys)[0]


def answers(tasks: list[Round], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[dict]:
    Path(tasks[0].session).mkdir(exist_ok=True)
    told = "".join(online_dpo.dump_round(task) + "\n" for task in tasks)
    monkeypatch.setattr("sys.stdin", io.StringIO(told))
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)
    online_dpo.main(tasks[0].parent, tasks[0].digest, tasks[0].device)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_process_is_told_rounds_and_says_what_came_of_each(first: Round, monkeypatch, capsys):
    asked: list[int] = []
    online_dpo.parent_in_memory.cache_clear()
    load, ask = checkpoint.load, online_dpo.with_reference
    monkeypatch.setattr(checkpoint, "load", lambda *given: asked.append(0) or load(*given))
    monkeypatch.setattr(online_dpo, "with_reference", lambda m, new, d: asked.append(len(new)) or ask(m, new, d))
    rounds = [replace(first, pairs=PAIRS[:1]), replace(first, number=2, origin=1), replace(first, number=3, origin=7)]
    said = answers(rounds, monkeypatch, capsys)
    made = [{"made": asdict(read_version(version_directory(Path(first.session), number)))} for number in (1, 2)]
    assert said[:2] == made and "version 7 cannot be read" in said[2]["error"]
    assert asked == [0, 1, 2], "the parent is loaded once, and asked once about each vote"


def test_a_vote_that_is_longer_than_the_context_is_left_out(first: Round, parent: Path):
    long = Preference("To be?", "Ay. " * 60, "No.")
    found = online_dpo.parent_in_memory(parent, first.digest, "cpu").encode([*PAIRS, long, PAIRS[0]], "float32")
    assert [pair.outcome for pair in found] == [1.0, 1.0, 0.5, 1.0] and found[0] == found[3]
    assert all(pair.reference != (0.0, 0.0) for pair in found)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pairs": PAIRS[2:]}, "no vote that fits into its context prefers an answer"),
        ({"digest": "0"}, "has changed since it began to learn"),
        ({"origin": 7}, "version 7 cannot be read any more"),
        ({"parent": "gone"}, "there is no checkpoint directory"),
    ],
)
def test_a_round_that_cannot_be_says_why_and_leaves_nothing(first: Round, changes, sentence, monkeypatch, capsys):
    assert sentence in answer(replace(first, **changes), monkeypatch, capsys)["error"]
    assert versions(Path(first.session)) == {}


def test_a_base_model_learns_from_no_votes(first: Round, make_model, tokenizer, tmp_path, monkeypatch, capsys):
    checkpoint.save(tmp_path / "base", make_model(block_size=64), tokenizer, Card(stage="pretrain"))
    base = replace(first, parent=str(tmp_path / "base"), digest=weights_digest(tmp_path / "base"))
    assert "base does not answer in turns" in answer(base, monkeypatch, capsys)["error"]


def test_a_full_disk_leaves_no_half_of_a_version(first: Round, monkeypatch, capsys):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lora, "save", full)
    assert "No space left" in answer(first, monkeypatch, capsys)["error"]
    assert [path.name for path in Path(first.session).iterdir()] == [online_dpo.LOCK]


def test_a_damaged_version_hides_no_other(first: Round):
    made = learn(first)
    for number, facts in enumerate(({"number": 2}, asdict(made) | {"number": []}, asdict(made) | {"kl": "far"}), 2):
        broken = version_directory(Path(first.session), number)
        broken.mkdir()
        (broken / online_dpo.FACTS).write_text(json.dumps(facts))
    assert versions(Path(first.session)) == {1: made}
