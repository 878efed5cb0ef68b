"""Whatever lies in a directory of checkpoints, it is one broken entry: all else goes on."""

import json
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch

from core import checkpoint, queue
from core.atomic_files import remove
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.preferences.vote_store import Answer, NewPair
from core.stages.pretrain import PretrainConfig
from core.training.run_directory import Run, Status
from core.workspace import Workspace
from playground import app
from playground.services.run_overview import RunOverview
from playground.services.services import Services
from playground.tabs.models.cards import ModelCards

BAD = "bad"
RUN_FILES = ("run.json", "status.json", "references.json", "metrics.jsonl", "samples.jsonl", "details.jsonl", "control")
FILES = ("config.json", "card.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", *RUN_FILES)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 5, 2**70, 1.5, -0.0, float("nan"), float("inf"), 1e400),
    *("", "x", "running", "created", "queued", "one/bad", "\0", "🙂", "7", "a" * 5000, "../one"),
    *([], [1, "a", None], [[]], {}, {"a": 1}, {"1": None}, {"state": "running"}),
)
ROUNDS = 16


@pytest.fixture
def workspace(tmp_path: Path, model, tokenizer) -> Path:
    place = tmp_path / "checkpoints"
    checkpoint.save(place / "one", model, tokenizer, Card("pretrain"))
    checkpoint.save(place / "child", model, tokenizer, Card("sft", "one", config={"parent": str(place / "one")}))
    checkpoint.save(place / "judge", SequenceClassifier(model.config, ["yes", "no"]), tokenizer, Card("classify"))
    return place


def run_that_says(place: Path, state: str = "running") -> Run:
    run = Run.create(place / BAD, "pretrain", PretrainConfig().to_dict())
    run.write_status(Status(state, step=1, device="cpu"))
    return run


def look_at_everything(place: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """All that a person does to the other entries works, as if the bad one were not there."""
    begun: list[str] = []

    def no_process(arguments: list[str], directory: Path | None, log: Path) -> Any:
        begun.append(Path(arguments[1]).name)

    monkeypatch.setattr(queue, "start_detached", no_process)
    services = Services.open(place, torch.device("cpu"))
    good = {"one", "child"}
    assert good <= set(services.checkpoints.names()) and "judge" in services.checkpoints.classifiers()
    assert "child" in services.checkpoints.chat_names() and services.checkpoints.reward_models() in ([], [BAD])
    assert {"one", "child", "judge"} <= set(services.vocabularies.names())
    assert set(map(Path, services.vocabularies.paths())) <= {place / BAD}
    overview = ModelCards(services.workspace, services.preferences).overview()
    orjson.dumps(overview)
    kinds = {card["name"]: card["kind"] for card in overview["cards"]}
    assert kinds["one"] == "language model" and kinds["child"] == "chat model" and kinds["judge"] == "classifier"
    assert services.checkpoints.load("one").model.config.n_layer == 2
    RunOverview(services.jobs).rows(["pretrain"])
    for name in services.jobs.names():
        tell_of_one(services, name)
    services.jobs.active()
    services.jobs.queue()
    services.jobs.refuse_if_busy("cuda")
    services.workspace.rename("one", "two")
    assert checkpoint.read_card(place / "child" / "card.json").parent == "two"
    services.workspace.rename("two", "one")
    services.workspace.restore(services.workspace.throw_away("judge"))
    services.jobs.start("fresh", "pretrain", PretrainConfig.from_dict({"device": "cpu"}), agreed=True)
    assert begun == ["fresh"] or services.jobs.status("fresh").state == "queued", "only another run may hold the device"
    return services


def tell_of_one(services: Services, name: str) -> None:
    """What the page asks of a run: an answer, or a sentence, and nothing else."""
    jobs, place = services.jobs, services.jobs.directory.parent
    cards = ModelCards(services.workspace, services.preferences)
    asked: tuple[Callable[[], object], ...] = (
        lambda: jobs.follow(name),
        lambda: jobs.history(name),
        lambda: jobs.findings(name),
        lambda: jobs.command(name),
        lambda: jobs.log_text(name),
        lambda: jobs.details(name, 0),
        lambda: jobs.export(name, "csv", place),
        lambda: jobs.export(name, "tensorboard", place),
        lambda: cards.details(name),
    )
    for ask in asked:
        answer: object = None
        with suppress(ValueError):  # a sentence
            answer = ask()
        orjson.dumps(answer, default=str)  # as Gradio does


# --- JSON of every type ---------------------------------------------------------------------------------------------


def distorted(content: Any, chance: random.Random) -> Any:
    """The content with one of its values, at any depth, replaced by another, or gone; or another as a whole."""
    if not isinstance(content, dict) or not content or chance.random() < 0.15:
        return chance.choice(VALUES)
    key = chance.choice(list(content))
    if isinstance(content[key], dict) and chance.random() < 0.5:
        return content | {key: distorted(content[key], chance)}
    if chance.random() < 0.2:
        return {other: value for other, value in content.items() if other != key}
    return content | {key: chance.choice(VALUES)}


def whole_entry(place: Path, model, tokenizer) -> dict[str, str]:
    """Every file that we know of, in one entry; returns their contents."""
    run = Run.create(place / BAD, "pretrain", PretrainConfig().to_dict())
    checkpoint.save(run.directory, SequenceClassifier(model.config, ["reward"]), tokenizer, Card("reward", "one"))
    run.write_status(Status("stopped", step=2, max_steps=9, device="cpu"))
    metrics = {"loss/train": 2.5, "loss/val": 2.6, "lr": 0.1, "grad_norm": 1.0, "tokens_per_second": 9.0, "time": 1e9}
    lines = {"metrics": metrics, "samples": {"prompt": "To", "text": " be"}, "details": {"margins": [0.5]}}
    for name, line in lines.items():
        rows = (json.dumps({"step": step, **line}) for step in (1, 2))
        (run.directory / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    run.references.write_text('{"uniform": 5.7, "unigram": 4.0}')
    (run.directory / "control").write_text("stop")
    (run.directory / "generation_config.json").write_text("{}")
    return {name: (run.directory / name).read_text(encoding="utf-8") for name in FILES}


def test_no_json_in_any_file_of_an_entry_harms_another(workspace: Path, model, tokenizer, monkeypatch) -> None:
    contents = whole_entry(workspace, model, tokenizer)
    for seed in range(ROUNDS):
        chance = random.Random(seed)
        for name in chance.sample(FILES, chance.choice((1, 1, 1, 2, 3))):
            text = contents[name].splitlines()[0] if name.endswith(".jsonl") else contents[name]
            content = distorted(json.loads(text) if name != "control" else text, chance)
            (workspace / BAD / name).write_text(json.dumps(content) + "\n")
        try:
            look_at_everything(workspace, monkeypatch)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        remove(workspace / "fresh")
        for name, text in contents.items():
            (workspace / BAD / name).write_text(text, encoding="utf-8")


# --- what is no file ------------------------------------------------------------------------------------------------


def loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def deep(path: Path) -> None:
    path.write_text("[" * 200_000)


@pytest.mark.parametrize("what", [loop, fifo, directory, sparse, deep])
def test_no_odd_file_in_an_entry_harms_another(workspace: Path, model, tokenizer, monkeypatch, what) -> None:
    whole_entry(workspace, model, tokenizer)
    logs = ("metrics.jsonl", "samples.jsonl", "details.jsonl", "log.txt")
    for name in FILES:
        if what is not sparse or name not in logs:
            what(workspace / BAD / name)
    services = look_at_everything(workspace, monkeypatch)
    entry = services.workspace.entry(BAD)
    assert entry.kind == "broken" and entry.trouble
    services.workspace.throw_away(BAD)
    services.workspace.empty_trash()
    assert not (workspace / BAD).exists()


@pytest.mark.parametrize("status", ["", "{}", '{"state": "flying"}', '{"state": "running", "heartbeat": "x"}', "[]"])
def test_a_run_whose_status_cannot_be_read_stands_in_nobodys_way(workspace: Path, monkeypatch, status: str) -> None:
    run = run_that_says(workspace)
    (run.directory / "status.json").write_text(status)
    services = look_at_everything(workspace, monkeypatch)
    assert services.jobs.status(BAD).state in ("damaged", "interrupted") and services.jobs.status(BAD).message
    services.workspace.throw_away(BAD)


def test_a_run_that_is_trained_is_not_thrown_away_because_its_status_cannot_be_read(workspace: Path) -> None:
    run = run_that_says(workspace)
    (run.directory / "status.json").write_text("{")
    with run.hold("cpu"), pytest.raises(ValueError, match="cannot be moved while it is being trained"):
        Workspace(workspace).throw_away(BAD)


# --- what may not be looked at --------------------------------------------------------------------------------------


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """`forbidden(path)`: nobody may look into that directory, or at that file, as on another user's (root may)."""

    def forbid(hidden: Path) -> None:
        def guard(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(path: Any, *args: Any, **options: Any) -> Any:
                inside = isinstance(path, str | os.PathLike) and hidden in (Path(path), *Path(path).parents)
                if inside and (Path(path) != hidden or function not in looks_only):
                    raise PermissionError(13, "Permission denied", os.fspath(path))
                return function(path, *args, **options)

            return call

        looks_only = (os.stat, os.lstat)
        for name in ("stat", "lstat", "listdir", "scandir", "open"):
            monkeypatch.setattr(os, name, guard(getattr(os, name)))

    return forbid


def test_a_directory_that_may_not_be_read_is_one_broken_entry(workspace: Path, monkeypatch, forbidden) -> None:
    (workspace / "lost+found").mkdir()
    forbidden(workspace / "lost+found")
    services = look_at_everything(workspace, monkeypatch)
    entry = services.workspace.entry("lost+found")
    assert (entry.kind, entry.trouble) == ("broken", f"{workspace / 'lost+found'}: Permission denied")
    thrown = services.workspace.throw_away("lost+found")
    assert services.workspace.restore(thrown) == "lost+found"


def test_a_lock_that_may_not_be_opened_holds_nobody(workspace: Path, monkeypatch, forbidden) -> None:
    run = run_that_says(workspace)
    (run.directory / ".lock").touch()
    forbidden(run.directory / ".lock")
    services = look_at_everything(workspace, monkeypatch)
    assert services.jobs.status(BAD).state == "interrupted"


# --- what is too large ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [99_000_000, 2**60])
def test_a_vast_list_of_tensors_is_not_read(workspace: Path, model, tokenizer, length: int) -> None:
    checkpoint.save(workspace / BAD, model, tokenizer, Card("pretrain"))
    with (workspace / BAD / "model.safetensors").open("wb") as file:
        file.write(length.to_bytes(8, "little"))
        file.truncate(100_000_000)
    entry = Workspace(workspace).entry(BAD)
    assert entry.kind == "broken" and f"its list of tensors would have {length:,} bytes" in entry.trouble
    with pytest.raises(ValueError, match="is truncated or damaged"):
        checkpoint.load(workspace / BAD)


# --- the page -------------------------------------------------------------------------------------------------------


@pytest.mark.fault(
    "something else lies among the checkpoints: odd JSON, another user's directory, `lost+found`, a pipe,"
    " a loop of links",
    "it is one broken entry with its reason, which can be thrown away; everything else goes on",
)
def test_the_page_opens_beside_entries_of_every_kind(workspace: Path, model, tokenizer, forbidden) -> None:
    whole_entry(workspace, model, tokenizer)
    content = json.loads((workspace / BAD / "config.json").read_text())
    (workspace / BAD / "config.json").write_text(json.dumps(content | {"architectures": 5, "id2label": None}))
    (workspace / BAD / "status.json").write_text("")
    (workspace / "lost+found").mkdir()
    forbidden(workspace / "lost+found")
    services = Services.open(workspace, torch.device("cpu"))
    services.preferences.add_pairs([NewPair("p", Answer("x", "one"), Answer("y", BAD), {}, "label")])
    assert app.build(services)
