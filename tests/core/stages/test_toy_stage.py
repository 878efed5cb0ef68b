"""A stage of ten lines, declared in a test and known nowhere else, is at home wherever a stage is read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch

from core import checkpoint
from core.__main__ import main
from core.checkpoint import Card, read_card
from core.config import Config, setting
from core.datasets.preference_files import Preference, read_preferences, write_preferences
from core.datasets.pretraining import TokenBlocks
from core.evaluation.report_card import measures
from core.stages.base import HELD_OUT, Metric, Stage
from core.stages.registry import STAGES
from core.training.finetuning import FinetuneConfig, language_model
from core.training.log_lines import append_line, read_lines
from core.training.loop import FitConfig, language_model_loss
from core.training.run_directory import Run
from core.training.runner import Job
from core.workspace import Workspace
from playground import api, app
from playground.panels.live_run.curves import curves
from playground.panels.stage_form.cost import HERE, fit_to_hardware, plan, preview
from playground.panels.stage_form.fields import fields
from playground.panels.stage_form.server import form_functions
from playground.panels.stage_form.spec import Spec
from playground.panels.stage_form.vote_files import EVERYONE
from playground.services.services import Services
from playground.tabs.align.before_after import latest_aligned
from playground.tabs.models.cards import ModelCards


@dataclass(frozen=True)
class ToyConfig(Config):
    beta: float = setting(0.5, "The price of being far away, called as in DPO", low=0.0, fixed=True)
    data: str = setting("", "The votes", refers="votes", fixed=True)
    teacher: str = setting("", "Another model", refers="checkpoint", fixed=True)
    adapt: FinetuneConfig = field(default_factory=FinetuneConfig)
    fit: FitConfig = field(default_factory=lambda: FitConfig(batch_size=4, eval_interval=1, snapshots=0))


def prepare(config: ToyConfig, saved: Path | None, device: torch.device, say: Any) -> Job:
    start = language_model(config.adapt, saved, device, config.fit.seed)
    ids = start.tokenizer.encode_documents([pair.chosen for pair in read_preferences(config.data).pairs])
    card = Card("toy", Path(config.adapt.parent).name, config=config.to_dict(), data={"teacher": "tutor"})
    return Job(
        model=start.model,
        tokenizer=start.tokenizer,
        batches=TokenBlocks(ids, 8, config.fit.batch_size, config.fit.seed),
        loss_fn=language_model_loss,
        config=config.fit,
        card=card,
        evaluate=lambda model: {"loss/val": 1.0, "toy/val": 0.25, "odd/val": 7.0},
        sample=lambda model: {"prompt": "", "text": ""},
    )


TOY = Stage(
    "toy",
    "Toy method",
    "Teach a model a toy.",
    ToyConfig,
    prepare,
    lesson="From one thing to another.",
    needs="The toy needs nothing.",
    answers=True,
    frozen_models=lambda config: 1,
    sequences_per_example=2,
    loss_unit="nats per toy",
    metrics=(Metric("toy/val", "taste", "share", HELD_OUT, "taste for toys"),),
    main_settings=("parent", "data", "beta"),
    files=(".jsonl",),
)
FIT = "--device cpu --max-steps 2 --warmup-steps 0 --batch-size 2"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Any, tokenizer: Any) -> Path:
    """A directory of checkpoints with a base model, two that answer, and votes in a file, where the toy is known."""
    monkeypatch.setitem(STAGES, "toy", TOY)
    for name, stage in (("base", "pretrain"), ("parent", "sft"), ("tutor", "sft")):
        checkpoint.save(tmp_path / "checkpoints" / name, model, tokenizer, Card(stage))
    votes = [Preference(f"Question {i}?", "Ay, my good lord, and so it is.", "No.") for i in range(40)]
    write_preferences(tmp_path / "votes.jsonl", votes)
    return tmp_path / "checkpoints"


@pytest.fixture
def services(place: Path) -> Services:
    return Services.open(place, torch.device("cpu"))


def config_of(place: Path, **changes: Any) -> ToyConfig:
    given = {"parent": str(place / "parent"), "data": str(place.parent / "votes.jsonl"), "device": "cpu"}
    return ToyConfig.from_dict({**given, "teacher": str(place / "tutor"), **changes})


@pytest.fixture
def trained(place: Path) -> Run:
    """Two steps, begun on the command line."""
    named = ["--parent", str(place / "parent"), "--data", str(place.parent / "votes.jsonl")]
    assert main(["toy", str(place / "mine"), *named, "--teacher", str(place / "tutor"), *FIT.split()]) == 0
    return Run(place / "mine")


def test_the_command_line_has_it(place: Path, trained: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert trained.status().state == "finished" and len(read_lines(trained.metrics)[0]) == 2
    assert read_card(place / "mine" / "card.json").stage == "toy"
    for arguments, wanted in ((["--help"], "Teach a model a toy."), (["toy", "--help"], "--beta FLOAT")):
        with pytest.raises(SystemExit):
            main(arguments)
        assert wanted in capsys.readouterr().out


def test_programs_can_begin_it(services: Services) -> None:
    train = next(endpoint for endpoint in api.endpoints(services) if endpoint.__name__ == "train")
    assert "dpo, ppo, grpo, toy;" in (train.__doc__ or "")


def components(blocks: gr.Blocks) -> dict[str, dict[str, Any]]:
    found = (component["props"] for component in blocks.get_config_file()["components"])
    return {props["elem_id"]: props for props in found if props.get("elem_id")}


def test_it_has_a_form_that_offers_what_is_there(place: Path, services: Services) -> None:
    there = components(app.build(services))
    assert there["align-stage-toy"]["label"] == "Toy method"
    shown = {field["name"]: field for field in fields(TOY)}
    assert shown["beta"]["kind"] == "number" and shown["data"]["main"]
    spec = Spec.of(TOY)
    form = next(function for function in form_functions(spec, services) if function.__name__ == "open_form")({})
    assert form["values"]["beta"] == 0.5 and form["forks"] == [] and form["values"]["data"] == EVERYONE
    offered = {name for name, _ in form["choices"]["parent"]}
    assert offered == {"parent", "tutor"}, "not the base model: that one does not answer"
    with pytest.raises(ValueError, match="base continues texts instead of answering"):
        spec.resolve(services, config_of(place, parent=str(place / "base")), place)
    with pytest.raises(ValueError, match="there are no votes yet"):
        spec.resolve(services, spec.defaults(services), place)
    assert spec.resolve(services, config_of(place), place) == config_of(place)


def test_it_is_planned_and_previewed(place: Path) -> None:
    config = config_of(place)
    planned = plan("toy", config)
    parts = dict(planned["parts"])
    assert parts["frozen models"] == parts["weights"] and planned["seconds"] > 0
    facts = dict(planned["facts"])
    assert facts["tokens per step"] == "128", "4 examples of 2 sequences, each as long as the context of 16"
    assert facts["per step"] == "1 micro-batch of 4"
    assert fit_to_hardware("toy", config, HERE).micro_batch_size == 4
    assert preview("toy", config)["examples"] == []


def test_its_curves_have_their_place_and_undeclared_ones_make_their_own(place: Path) -> None:
    figure = curves("toy")
    assert figure["units"] == {"toy": "nats per toy"}
    keys = [panel["key"] for panel in figure["panels"]]
    assert keys == ["loss", "toy/val", "lr", "grad_norm", "speed", "memory", "mfu", "data_wait"]
    panel = figure["panels"][1]
    assert panel["title"] == "taste (share)" and panel["of"] == ("toy",) and panel["curves"][0]["markers"]


def test_its_model_has_a_card_a_family_and_a_place_in_the_pickers(
    place: Path, services: Services, trained: Run
) -> None:
    cards = ModelCards(Workspace(place), services.preferences)
    overview = cards.overview()
    (card,) = (card for card in overview["cards"] if card["name"] == "mine")
    assert (card["kind"], card["stage"]) == ("chat model", "toy")
    report = {one["key"]: (one["name"], one["share"]) for one in cards.details("mine")["report"]}
    assert report["toy/val"] == ("taste for toys", True) and report["odd/val"] == ("odd/val", False)
    edges = [edge for edge in overview["tree"]["edges"] if edge["to"] == "mine"]
    assert {(edge["from"], edge["role"]) for edge in edges} == {("parent", "parent"), ("tutor", "teacher")}
    assert "mine" in services.checkpoints.chat_names() and "base" not in services.checkpoints.chat_names()
    assert latest_aligned(services.checkpoints.chat_names(), services) == "mine"
    assert "instructions followed, replies that fit" in measures(place / "mine", torch.device("cpu"))


@pytest.fixture
def running(place: Path) -> Iterator[Run]:
    run = Run.create(place / "going", "toy", config_of(place, data="").to_dict())
    with run.hold("cpu"):
        run.write_status(run.read_status().__class__("running", device="cpu"))
        yield run


def test_what_it_uses_cannot_be_renamed_meanwhile(place: Path, running: Run) -> None:
    for name in ("parent", "tutor"):
        with pytest.raises(ValueError, match="going is learning from it"):
            Workspace(place).rename(name, "other")


def test_what_its_run_hangs_on_cannot_change_in_a_fork(place: Path, services: Services, trained: Run) -> None:
    changed = ToyConfig.from_dict(trained.read()[1] | {"beta": 0.1, "learning_rate": 0.5})
    with pytest.raises(ValueError, match="keeps its model and its data, so beta cannot change"):
        services.jobs.fork("fork", "mine", 2, changed)


def test_a_rename_is_told_to_its_children(place: Path, trained: Run) -> None:
    Workspace(place).rename("tutor", "teacher-1")
    card = read_card(place / "mine" / "card.json")
    assert card.data["teacher"] == "teacher-1" and card.config["teacher"] == str(place / "teacher-1")


def test_the_doctor_says_what_holds_for_it_and_nothing_of_dpo(services: Services, trained: Run) -> None:
    assert services.jobs.findings("mine") == []
    for step in range(3, 400):  # a policy that goes far away, and then loses what it had learned
        line = {"step": step, "loss/train": 5.0 if step < 200 else 9.0, "lr": 1e-3, "grad_norm": 1.0, "kl/val": 40.0}
        append_line(trained.metrics, line)
    kinds = [finding.kind for finding, _ in services.jobs.findings("mine")]
    assert kinds == ["divergence"], "and no advice about DPO's beta"
