"""What the page says of a training before it begins: what it takes, and what the model will see."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.checkpoint import read_config
from core.cli import main
from core.datasets.preference_files import Preference, write_preferences
from core.datasets.preference_pairs import encode_pairs
from core.stages.classify import ClassifyConfig
from core.stages.dpo import DPOConfig
from core.stages.ppo import PPOConfig
from core.stages.pretrain import PretrainConfig
from core.stages.registry import STAGES
from core.stages.reward_model import RewardConfig
from core.stages.sft import SFTConfig
from core.tokenizer import Tokenizer
from core.training.planning import memory
from core.training.run_directory import QUEUED, Run, Status
from playground.panels.stage_form.compatibility import check_answers, check_same_vocabulary
from playground.panels.stage_form.cost import HERE, fit_to_hardware, plan, preview
from playground.panels.stage_form.fields import fields
from playground.panels.stage_form.server import form_functions
from playground.panels.stage_form.spec import Spec, with_same_vocabulary
from playground.services.services import Services

TINY = Path(__file__).parents[3] / "checkpoints" / "bard-tiny"


def test_the_plan_is_that_of_the_memory_planner_and_its_time_grows_with_the_steps():
    config = PretrainConfig.preset("tiny", device="cpu", max_steps=100)
    planned, longer = (
        plan("pretrain", config),
        plan("pretrain", PretrainConfig.preset("tiny", device="cpu", max_steps=200)),
    )
    assert planned["peak"] == memory.plan(config.model, config.fit, "cpu").peak / memory.GIB
    assert planned["fits"] and planned["device"] == "cpu"
    assert longer["seconds"] == pytest.approx(2 * planned["seconds"], rel=0.01)


@pytest.mark.parametrize(("hardware", "size"), [("16 GB (RTX 5070 Ti)", 4), ("80 GB", 32)])
def test_hardware_decides_how_many_sequences_are_in_memory_at_once(hardware, size):
    config = PretrainConfig.preset("gpt2", dtype="bfloat16")
    fit = fit_to_hardware("pretrain", config, hardware)
    assert fit.micro_batch_size >= size
    assert fit.batch_size == config.fit.batch_size


def test_what_fits_here_is_found_too():
    assert fit_to_hardware("pretrain", PretrainConfig.preset("tiny", device="cpu"), HERE).micro_batch_size == 16


def test_a_text_is_shown_as_text_until_it_has_a_vocabulary(tmp_path):
    (tmp_path / "own.txt").write_text("To be, or not to be. " * 50, encoding="utf-8")
    config = PretrainConfig.preset("tiny", corpus=str(tmp_path / "own.txt"))
    assert preview("pretrain", config)["text"].startswith("To be, or not")
    shown = preview("pretrain", PretrainConfig.from_dict(config.to_dict() | {"init_from": str(TINY)}))
    assert bytes.fromhex("".join(shown["examples"][0]["hexes"])).decode().startswith("To be, or not")


def test_a_conversation_is_shown_with_the_tokens_that_count_and_bad_lines_are_named(tmp_path):
    lines = [json.dumps({"instruction": f"Say {n}!", "output": f"It is {n}."}) for n in range(5)]
    path = tmp_path / "talk.jsonl"
    path.write_text("\n".join([*lines, "{broken"]), encoding="utf-8")
    config = SFTConfig.from_dict({"data": str(path), "parent": str(TINY)})
    with pytest.raises(ValueError, match=r"talk.jsonl, line 6: this is no JSON"):
        preview("sft", config)
    found = preview("sft", SFTConfig.from_dict(config.to_dict() | {"skip_bad_lines": True}))
    assert [problem.split(":")[0] for problem in found["problems"]] == ["line 6"]
    example = found["examples"][0]
    learned = [text for text, counts in zip(example["hexes"], example["mask"], strict=True) if counts]
    assert bytes.fromhex("".join(learned)).decode().startswith("It is ")

    path.write_text("\n".join(lines), encoding="utf-8")  # mended: read anew
    assert preview("sft", config)["problems"] == []


def test_labelled_texts_are_shown_with_the_token_at_which_they_are_read(tmp_path):
    path = tmp_path / "moods.csv"
    path.write_text("text,label\n" + "O happy day,joy\nO heavy night,sorrow\n" + "O joy,joy\nAlas,sorrow\n" * 3)
    found = preview("classify", ClassifyConfig.from_dict({"data": str(path), "parent": str(TINY)}))
    assert [example["title"] for example in found["examples"]] == ["Class: joy", "Class: sorrow"]
    assert all(example["mask"] == [False] * (len(example["ids"]) - 1) + [True] for example in found["examples"])


def test_a_parent_that_is_gone_is_said_in_words(tmp_path):
    shutil.copytree(TINY, tmp_path / "parent")
    config = SFTConfig.from_dict({"parent": str(tmp_path / "parent")})
    shutil.rmtree(tmp_path / "parent")
    with pytest.raises(ValueError, match=r"config.json: No such file or directory"):
        plan("sft", config)


# --- votes and reward models ------------------------------------------------------------------------------------


VOTES = [Preference(f"Question {i}?", "Ay, my good lord.", "No." * (i + 1), tie=i == 3) for i in range(6)]


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    write_preferences(tmp_path / "votes.jsonl", VOTES)
    return tmp_path / "votes.jsonl"


def test_pairs_are_shown_with_what_counts_and_planned_as_two_sequences_each(votes: Path) -> None:
    values = {"data": str(votes), "parent": str(TINY), "device": "cpu", "batch_size": 4, "max_steps": 10}
    config = DPOConfig.from_dict(values | {"warmup_steps": 0})
    found = preview("dpo", config)
    assert dict(found["facts"])["votes"] == "6"
    assert [example["title"] for example in found["examples"]] == ["Preferred", "Rejected"] * 3
    assert all(0 < sum(example["mask"]) < len(example["mask"]) for example in found["examples"])
    reward = preview("reward", RewardConfig.from_dict(values | {"warmup_steps": 0, "ties": "skip"}))
    assert dict(reward["facts"])["votes"] == "5"
    assert all(example["mask"] == [*[False] * (len(example["ids"]) - 1), True] for example in reward["examples"])

    planned = plan("dpo", config)
    tokenizer = Tokenizer.load(TINY)
    lengths = [len(e.ids) for pair in encode_pairs(tokenizer, VOTES, 512)[0] for e in pair.examples]
    assert dict(planned["facts"])["tokens per step"] == f"{8 * sum(lengths) / len(lengths):,.0f}"
    shape = replace(read_config(TINY / "config.json"), block_size=max(lengths))
    whole = memory.plan(shape, replace(config.fit, batch_size=8, micro_batch_size=8), "cpu")
    assert planned["peak"] == (whole.peak + whole.weights) / memory.GIB, "and the parent, to compare with"
    assert fit_to_hardware("dpo", config, "8 GB").micro_batch_size == 4, "pairs, not sequences"


def test_prompts_are_shown_of_which_nothing_counts_and_must_leave_room(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("Who is there?\nWhat news?\n", encoding="utf-8")
    values = {"prompts": str(path), "parent": str(TINY), "reward_model": "any", "device": "cpu"}
    config = PPOConfig.from_dict(values | {"max_new_tokens": 20})
    found = preview("ppo", config)
    assert dict(found["facts"])["prompts"] == "2" and not any(sum(e["mask"]) for e in found["examples"])
    assert plan("ppo", config)["seconds"] > 0
    too_long = PPOConfig.from_dict(values | {"max_new_tokens": 5000})
    with pytest.raises(ValueError, match="every prompt leaves less than max_new_tokens = 5000 of the context's"):
        preview("ppo", too_long)


def test_what_a_stage_refuses_is_in_no_form_and_in_no_help_and_is_refused_in_words_all_the_same(capsys) -> None:
    """Pre-training takes both; most stages do not share the model, and what learns from its own answers runs alone."""
    refused = {"pretrain": [], "dpo": ["shard"], "ppo": ["processes", "shard"], "grpo": ["processes", "shard"]}
    for name, left_out in refused.items():
        spec, every = Spec.of(STAGES[name]), STAGES[name].config().to_dict()
        offered = {field["name"] for field in fields(spec.stage)}
        assert every.keys() - offered == set(left_out), name
        assert spec.parse({key: value for key, value in every.items() if key in offered}).to_dict() == every
        with pytest.raises(SystemExit):
            main([name, "--help"])
        help = capsys.readouterr().out
        assert [flag for flag in ("processes", "shard") if f"--{flag}" not in help] == left_out, name
    with pytest.raises(ValueError, match="shard must be off: dpo trains a model that one process holds"):
        STAGES["dpo"].processes(DPOConfig.from_dict({"shard": True, "device": "cpu"}))


def test_a_form_says_which_tokens_a_vocabulary_gets(tmp_path: Path) -> None:
    Tokenizer.gpt2().save(tmp_path)
    spec = Spec.of(STAGES["sft"])
    assert spec.added_tokens({"parent": str(tmp_path), "template": "alpaca"}) == []
    (told,) = spec.added_tokens({"parent": str(tmp_path)})
    assert told.startswith("<|user|> (50,257) and <|assistant|> (50,258) are added to the vocabulary")


def test_what_does_not_fit_together_is_said_before_a_training(tmp_path: Path, votes: Path) -> None:
    with pytest.raises(ValueError, match="bard-tiny continues texts instead of answering: choose a model that"):
        check_answers(str(TINY))
    check_answers(str(TINY.with_name("bard-chat")))
    with pytest.raises(ValueError, match="there is no model nowhere: choose one from the list"):
        check_answers("nowhere")
    with pytest.raises(ValueError, match=r"no reward model with the vocabulary of bard-tiny yet: train one"):
        check_same_vocabulary("", str(TINY), [])
    with pytest.raises(ValueError, match=r"choose a reward model; with the vocabulary of bard-tiny there is: a, b"):
        check_same_vocabulary("", str(TINY), ["x/a", "x/b"])
    Tokenizer.train("a small text", 265).save(tmp_path / "other")
    with pytest.raises(ValueError, match="the reward model other reads another vocabulary, or another"):
        check_same_vocabulary(str(tmp_path / "other"), str(TINY), [])
    write_preferences(votes, [Preference("Why? " * 400, "So.", "Thus.")])
    with pytest.raises(ValueError, match="all 1 votes are longer than the context"):
        preview("dpo", DPOConfig.from_dict({"data": str(votes), "parent": str(TINY)}))


def test_a_reward_model_that_is_still_to_be_made_is_offered_and_read_as_its_parent_is(tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "parent")
    services = Services.open(tmp_path, torch.device("cpu"))
    parent = str(tmp_path / "parent")
    waits, gone, other = (tmp_path / name for name in ("waits", "gone", "other"))
    for directory, named in ((waits, parent), (gone, str(tmp_path / "absent")), (other, parent)):
        run = Run.create(directory, "reward", {"parent": named})
        run.write_status(Status("failed" if directory is other else QUEUED))
    assert with_same_vocabulary(parent, services) == [("waits (queued)", str(waits))]
    check_same_vocabulary(str(waits), parent, [])
    with pytest.raises(ValueError, match="absent"):
        check_same_vocabulary(str(gone), parent, [])


def test_what_may_be_left_out_is_none_until_it_is_chosen(tmp_path: Path) -> None:
    services = Services.open(tmp_path / "checkpoints", torch.device("cpu"))
    spec = Spec.of(STAGES["grpo"])
    assert [spec.defaults(services).to_dict()[name] for name in ("reward_model", "votes")] == ["", ""]
    open_form = next(function for function in form_functions(spec, services) if function.__name__ == "open_form")
    form = open_form({})
    assert form["choices"]["reward_model"][0] == form["choices"]["votes"][0] == ("none", "")
    assert form["replaced"].get("reward_model", "") == ""
    assert ("asks a question (question)", "question") in form["choices"]["reward"]
    choices = Spec.of(STAGES["pretrain"]).choices(services)
    assert choices["teacher"][0] == ("none", "") and choices["init_from"][0] == ("random weights", "")
