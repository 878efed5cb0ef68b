"""Classification fine-tuning: each way learns, trains only what it says, resumes exactly, and refuses in words."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, recall_score

from core import checkpoint
from core.__main__ import main
from core.atomic_files import write_json
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.datasets import classification
from core.evaluation.classification import Scores, confusion, evaluate_classifier, majority
from core.stages.classify import ClassifyConfig, describe, prepare
from core.stages.data_files import NOTED
from core.stages.registry import train
from core.training.log_lines import read_lines
from core.training.loop import fit
from core.training.run_directory import Run

WORDS = {"yes": ("tomorrow", "question", "whether"), "no": ("music", "food", "love")}
FIT = dict(max_steps=40, batch_size=8, warmup_steps=0, learning_rate=1e-2, eval_interval=10, save_interval=10)
FIT |= dict(device="cpu", keep_steps=0, lora_rank=4, lora_alpha=8.0, dropout=0.1, weight_decay=0.0)
TRAINED = {
    "head": ("score.",),
    "last-block": ("score.", "transformer.h.1.", "transformer.ln_f."),
    "all": ("",),
    "lora": ("score.", ".A", ".B"),
}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory, make_model, tokenizer) -> Path:
    """A directory with a language model, `parent`, and a CSV whose two labels can be told apart by their words."""
    directory = tmp_path_factory.mktemp("classify")
    checkpoint.save(directory / "parent", make_model(std=0.1), tokenizer, Card())
    lines = [f"{n} {word},{label}" for label, words in WORDS.items() for word in words for n in range(8)]
    (directory / "toy.csv").write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    return directory


def settings(place: Path, train_what: str, **changes) -> ClassifyConfig:
    paths = dict(parent=str(place / "parent"), data=str(place / "toy.csv"), train_what=train_what)
    return ClassifyConfig.from_dict(FIT | paths | changes)


def new_run(directory: Path, place: Path, train_what: str, **changes) -> Run:
    return Run.create(directory, "classify", settings(place, train_what, **changes).to_dict())


def silent(message: str) -> None:
    pass


# --- what is learned ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("train_what", TRAINED)
def test_every_way_learns_to_tell_two_classes_apart_and_its_checkpoint_says_so(train_what, tmp_path, place, caplog):
    run = new_run(tmp_path / "run", place, train_what, max_steps=120, eval_interval=60, keep_best=True)
    assert train(run).state == "finished", run.status().message
    loaded = checkpoint.load_classifier(run.directory)
    assert {"accuracy/val": 1.0, "f1/val": 1.0, "accuracy/majority": 0.5}.items() <= loaded.card.report.items()
    assert loaded.card.parent == "parent"
    assert loaded.card.data["parent_sha256"] == checkpoint.weights_digest(place / "parent")
    labelled = classification.load(str(place / "toy.csv"))
    measured = evaluate_classifier(loaded, labelled)
    assert measured["accuracy"] == 1.0 and measured["recall"] == {"no": 1.0, "yes": 1.0}
    references = json.loads(run.references.read_text(encoding="utf-8"))
    assert references == {name: pytest.approx(math.log(2)) for name in ("uniform", "majority")}
    sample = read_lines(run.samples)[0][-1]["text"]
    assert "\nno; the model: no " in sample and "\nyes; the model: yes " in sample and sample.count("(right)") == 2
    caplog.set_level("INFO")
    assert main(["evaluate", str(run.directory), "--device", "cpu"]) == 0
    assert "accuracy 1.0000 (always the commonest class: 0.5000), macro F1 1.0000" in caplog.text


@pytest.mark.parametrize("train_what", TRAINED)
def test_only_what_is_chosen_changes(train_what, place):
    job = prepare(settings(place, train_what, max_steps=4, optimizer="muon"), None, CPU, silent)
    before = {name: tensor.clone() for name, tensor in job.model.named_parameters()}
    list(fit(job.model, job.batches, job.loss_fn, job.config))
    padding = job.model.config.padded_vocab_size - job.model.config.vocab_size
    for name, tensor in job.model.named_parameters():
        chosen = any(name.startswith(part) or (part and name.endswith(part)) for part in TRAINED[train_what])
        assert tensor.requires_grad == chosen, name
        assert torch.equal(tensor, before[name]) != chosen, name
    assert padding and not job.model.transformer.wte.weight[-padding:].any()


def test_the_split_into_micro_batches_changes_nothing(place):
    def losses(size: int) -> list[float]:
        config = settings(place, "all", max_steps=3, dropout=0.0, micro_batch_size=size)
        job = prepare(config, None, CPU, silent)
        return [entry.loss for entry in fit(job.model, job.batches, job.loss_fn, job.config)]

    assert losses(3) == pytest.approx(losses(0), rel=1e-4)


# --- resuming -------------------------------------------------------------------------------------------------


def test_a_sample_reads_as_far_as_training_reads(tokenizer):
    class Reader:
        def predict(self, ids):
            read.append(len(ids))
            return {"a": 0.4, "b": 0.6}

    read: list[int] = []
    labelled = classification.Labelled("texts", ("a", "b"), (), ())
    long, short = classification.Example("He said. " * 40, 0), classification.Example("He.", 1)
    text = describe(Reader(), tokenizer, labelled, [long, short], max_tokens=16)
    assert read == [16, len(tokenizer.encode("He."))] and "b 60%" in text


@pytest.mark.parametrize("train_what", ["head", "lora"])
def test_a_resumed_run_equals_an_uninterrupted_one(train_what, tmp_path, place):
    whole = new_run(tmp_path / "whole", place, train_what, keep_steps=4)
    assert train(whole).state == "finished"
    fork = whole.fork(tmp_path / "fork", 20, whole.read()[1])
    assert train(fork).state == "finished", fork.status().message
    ours, theirs = (checkpoint.load_classifier(run.directory) for run in (fork, whole))
    assert ours.card.report == theirs.card.report
    weights = theirs.model.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in ours.model.state_dict().items())
    lines = [[line["loss/train"] for line in read_lines(run.metrics)[0]] for run in (fork, whole)]
    assert lines[0] == lines[1]


def test_a_run_does_not_go_on_with_what_is_no_longer_the_same(tmp_path, place, make_model, tokenizer):
    parent, data = tmp_path / "parent", tmp_path / "toy.csv"
    checkpoint.save(parent, make_model(std=0.1), tokenizer, Card())
    text = (place / "toy.csv").read_text(encoding="utf-8")
    data.write_text(text, encoding="utf-8")
    run = new_run(tmp_path / "run", place, "lora", parent=str(parent), data=str(data), keep_steps=1, max_steps=10)
    train(run)
    values = run.read()[1] | {"max_steps": 20}
    full = run.fork(tmp_path / "full", 10, values | {"train_what": "all"})
    assert train(full).message == "train_what cannot change in a run: it was lora, got all"
    wider = run.fork(tmp_path / "wider", 10, values | {"lora_rank": 2})
    assert "lora_rank cannot change in a run" in train(wider).message
    data.write_text(text.replace(",yes", ",perhaps"), encoding="utf-8")
    other_labels = run.fork(tmp_path / "labels", 10, values)
    assert "toy.csv, which has changed since" in train(other_labels).message
    card = checkpoint.read_card(other_labels.saved_steps()[-1] / "card.json")
    older = {key: value for key, value in card.data.items() if key != NOTED}
    write_json(other_labels.saved_steps()[-1] / "card.json", asdict(replace(card, data=older)))
    assert "are no longer those that were learned" in train(other_labels).message
    data.write_text(text, encoding="utf-8")
    checkpoint.save(parent, make_model(std=0.2), tokenizer, Card())
    other_parent = run.fork(tmp_path / "other", 10, values)
    assert "parent has changed since this run began" in train(other_parent).message


def test_a_parent_that_is_a_classifier_is_refused(tmp_path, place, model, tokenizer):
    checkpoint.save(tmp_path / "c", SequenceClassifier.from_language_model(model, "ab", 1), tokenizer, Card())
    run = new_run(tmp_path / "run", place, "head", parent=str(tmp_path / "c"))
    assert train(run).message.endswith("is a classifier: it writes no text; choose a language model")


# --- measures -------------------------------------------------------------------------------------------------


def test_measures_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    for _ in range(20):
        true, answers = random.integers(0, 4, 12), random.integers(0, 5, 12)
        scores = Scores(confusion(true, answers, 6), 0.0)
        assert scores.accuracy == pytest.approx(accuracy_score(true, answers))
        assert scores.f1 == pytest.approx(f1_score(true, answers, average="macro", zero_division=0))
        recall = recall_score(true, answers, labels=range(6), average=None, zero_division=np.nan)
        assert scores.recall == pytest.approx(recall, nan_ok=True)


def test_the_majority_class_is_the_commonest_of_the_training_texts():
    scores = majority([0, 1, 1, 1], [0, 0, 1], 2)
    assert scores.accuracy == pytest.approx(1 / 3)
    assert scores.confusion.tolist() == [[0, 2], [0, 1]]
    assert scores.loss == pytest.approx(-(2 * math.log(0.25) + math.log(0.75)) / 3)


# --- the command line -----------------------------------------------------------------------------------------


def test_the_command_makes_what_the_flags_say(tmp_path, place):
    flags = f"--parent {place / 'parent'} --data {place / 'toy.csv'} --train-what head --device cpu --max-steps 2"
    assert main(["classify", str(tmp_path / "run"), *flags.split(), "--warmup-steps", "0", "--batch-size", "4"]) == 0
    loaded = checkpoint.load_classifier(tmp_path / "run")
    assert (loaded.card.stage, loaded.card.config["train_what"], loaded.model.labels) == (
        "classify",
        "head",
        ("no", "yes"),
    )


def test_evaluate_says_what_it_cannot_measure(tmp_path, place, model, tokenizer, capsys):
    made = SequenceClassifier.from_language_model(model, "ab", 1)
    checkpoint.save(tmp_path / "foreign", made, tokenizer, Card("imported"))
    assert main(["evaluate", str(tmp_path / "foreign"), "--device", "cpu"]) == 1
    assert "was not trained here" in capsys.readouterr().err
    with pytest.raises(ValueError, match="the classifier knows a, b, but the texts are labelled no, yes"):
        texts = classification.load(str(place / "toy.csv"))
        evaluate_classifier(checkpoint.load_classifier(tmp_path / "foreign"), texts)
