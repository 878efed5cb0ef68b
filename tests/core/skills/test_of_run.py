"""What a run has learned, from its directory: recorded runs, shuffled ones, those of before, damaged lines, forks."""

import json
import random
import shutil
from pathlib import Path

import pytest

from core.cli import main
from core.skills.cut_out import cut_out
from core.skills.of_run import keep, learned, measure
from core.skills.sentences import evidence, learned_sentence, title, told_besides
from core.stages.pretrain import PretrainConfig
from core.stages.registry import verdict
from core.training.log_lines import append_line, read_lines
from core.training.run_directory import Run
from tests.core.test_shipped import BARD, SFT, TINY
from tests.helpers.small_pretraining import pretrain


def steps_of(run: Run) -> dict[str, int]:
    return {title(birth.which): birth.first.step for birth in learned(run).births.born}


def run_with(directory: Path, lines: list[dict]) -> Run:
    run = Run.create(directory, "pretrain", PretrainConfig().to_dict())
    for line in lines:
        append_line(run.details, line)
    return run


# --- a run that measures itself ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Run:
    return pretrain(tmp_path_factory.mktemp("trained"), "run")


def test_a_training_measures_its_skills_before_its_first_step_and_at_each_evaluation(trained):
    lines = read_lines(trained.details)[0]
    assert [line["step"] for line in lines] == [0, 1, 2, 3, 4]
    assert lines[0]["skills"].keys() == {"texts", "heads"}
    assert lines[0]["skills"]["texts"].keys() == {"words", "spelling", "lines"}  # two speakers are not enough
    assert [len(rows[0]) for rows in lines[0]["skills"]["heads"].values()] == [2] * 3
    found = learned(trained)
    assert (found.births.born, found.evaluations, found.unmeasured) == ([], [0, 1, 2, 3, 4], (0, "snapshot"))
    assert told_besides(found) == [
        "5 evaluations, from step 0 to 4.",
        "Nothing was seen to begin: it takes two evaluations in a row, and one before without it.",
        "No speakers' names: its text has no lines with the names of speakers.",
    ]


def test_measured_now_from_snapshots_is_what_the_training_measured(trained, tmp_path):
    lines = read_lines(trained.details)[0]
    trained.details.rename(tmp_path / "details.jsonl")
    try:
        measured = measure(trained)
        assert [line["step"] for line in measured] == [0, 1, 4]
        before = {line["step"]: line["skills"] for line in lines}
        assert [line["skills"]["texts"].keys() for line in measured] == [before[0]["texts"].keys()] * 3
        for name, rows in before[0]["heads"].items():  # those of snapshots are in half precision
            assert measured[0]["skills"]["heads"][name][0] == pytest.approx(rows[0], abs=0.002)
        assert learned(trained).unmeasured == (3, "snapshot") and learned(trained, measured).unmeasured == (0, "")
        keep(trained, measured)
        assert learned(trained).evaluations == [0, 1, 4]
    finally:
        (tmp_path / "details.jsonl").replace(trained.details)


def test_a_head_is_cut_out_of_the_latest_weights(trained):
    found = cut_out(trained, (0, 1))
    assert found.step == 4 and found.blocks > 1 and found.low <= found.difference <= found.high


def test_the_command_says_the_same_and_keeps_what_it_had_to_measure(trained, tmp_path, caplog):
    run = Run(shutil.copytree(trained.directory, tmp_path / "old"))
    run.details.unlink()
    with caplog.at_level("INFO"):
        assert main(["skills", str(run.directory), "--cut-out", "--keep"]) == 0
    assert caplog.messages[0] == "reading its corpus" and caplog.messages[4] == "3 evaluations, from step 0 to 4."
    assert [line["step"] for line in read_lines(run.details)[0]] == [0, 1, 4]
    assert main(["skills", str(tmp_path / "nothing")]) == 1


def test_a_corpus_that_has_changed_or_gone_is_refused_in_words(trained, tmp_path):
    corpus = Path(trained.read()[1]["corpus"])
    content = corpus.read_text()
    try:
        corpus.write_text(content + "Another line.")
        with pytest.raises(ValueError, match="has changed since run learned from it"):
            cut_out(trained, (0, 0))
        corpus.unlink()
        with pytest.raises(ValueError, match="No such file"):
            cut_out(trained, (0, 0))
    finally:
        corpus.write_text(content)
    empty = Run.create(tmp_path / "empty", "pretrain", PretrainConfig().to_dict())
    with pytest.raises(ValueError, match="empty has kept no weights yet"):
        cut_out(empty, (0, 0))
    assert told_besides(learned(empty)) == ["Nothing was measured while it was trained."]


# --- recorded runs ----------------------------------------------------------------------------------------------

RECORDED = read_lines(Path(__file__).parent / "recorded" / "tiny.jsonl")[0]


def test_bard_tinys_log_tells_what_it_has_learned_and_its_verdict_does_too():
    assert steps_of(Run(TINY)) == {
        "first real words": 94,
        "line breaks": 375,
        "previous token: layer 1, head 4": 1500,
        "induction: layer 2, head 1": 1500,
        "induction: layer 2, head 4": 1500,
    }
    births = learned(Run(TINY)).births.born
    assert learned_sentence(births) == (
        "first real words (step 94), line breaks (step 375), previous token in 1 head (step 1,500), "
        "induction in 2 heads (from step 1,500)"
    )
    assert learned_sentence(births) in verdict(Run(TINY)).changed
    assert evidence(births[0]) == (
        "58 of 184 words of several tokens are real (32 %, 95 % interval 25 to 39 %); at step 0: 14 of 128; "
        "at step 187: 55 of 182. For example: another, herself, should, from's."
    )
    assert evidence(births[2]).startswith(
        "68 % of the way from looking at everything alike to looking only at the token"
    )


def test_a_log_in_another_order_announces_hardly_more_than_chance_and_one_backwards_nothing(tmp_path):
    skills = [line["skills"] for line in RECORDED]
    run, births = Run.create(tmp_path / "run", "pretrain", PretrainConfig().to_dict()), 0
    orders = [random.Random(seed).sample(skills, len(skills)) for seed in range(40)]
    for order in (skills, skills[::-1], *orders):
        run.details.write_text("".join(json.dumps({"step": i, "skills": one}) + "\n" for i, one in enumerate(order)))
        found = learned(run).births.born
        if order is skills:
            true = len(found)
        elif order == skills[::-1]:
            assert found == []
        else:
            births += len(found)
    assert births <= 0.05 * true * len(orders)


def test_a_run_that_goes_on_and_a_fork_know_what_came_before(tmp_path):
    run = run_with(tmp_path / "run", RECORDED[:-1])
    whole = steps_of(run_with(tmp_path / "whole", RECORDED))
    append_line(run.details, RECORDED[-1])
    assert steps_of(run) == whole
    run.rewind(1500)  # as it does that is resumed from there
    assert {name: step for name, step in whole.items() if step < 1500}.items() <= steps_of(run).items()
    assert all(step < 1500 for step in steps_of(run).values())  # of step 1,500 itself nothing comes after


def test_damaged_lines_are_so_many_evaluations_less(tmp_path):
    damaged = [None, [], {"texts": 3, "heads": {"induction": "?"}}, {"texts": {"words": [1, 2]}, "heads": {"x": [[1]]}}]
    lines = [*RECORDED, *({"step": 9000 + i, "skills": skills} for i, skills in enumerate(damaged))]
    assert steps_of(run_with(tmp_path / "run", lines)) == steps_of(run_with(tmp_path / "sound", RECORDED))


def test_a_run_of_before_is_read_from_its_samples_and_what_is_missing_is_said():
    run = Run(BARD)
    assert told_besides(learned(run)) == [
        "Nothing was measured while it was trained.",
        "It can be measured now, from 10 samples.",
    ]
    found = learned(run, measure(run))
    born = [(title(birth.which), birth.first.step) for birth in found.births.born]
    assert born == [("first real words", 400), ("speakers' names", 600)]
    assert found.missing == [
        "What its heads do cannot be told: it has kept no snapshots, and its log says nothing of them.",
        "Its log holds one short text an evaluation, so only what that makes certain is told.",
    ]


def test_an_instruction_tuning_learns_to_obey_by_the_answers_in_its_log():
    (birth,) = learned(Run(SFT)).births.born
    assert (title(birth.which), birth.before.step, birth.first.step) == ("first instructions obeyed", 0, 400)
    assert learned(Run(SFT)).missing == []
