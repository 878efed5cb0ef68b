"""What the page says of a training before it begins: what it takes, and what the model will see."""

import json
import shutil
from pathlib import Path

import pytest

from core.stages.classify import ClassifyConfig
from core.stages.pretrain import PretrainConfig
from core.stages.sft import SFTConfig
from core.train import memory
from playground.preparation import HERE, fitted, plan, preview

TINY = Path(__file__).parents[2] / "checkpoints" / "bard-tiny"


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
    fit = fitted("pretrain", config, hardware)
    assert fit.micro_batch_size >= size
    assert fit.batch_size == config.fit.batch_size


def test_what_fits_here_is_found_too():
    assert fitted("pretrain", PretrainConfig.preset("tiny", device="cpu"), HERE).micro_batch_size == 16


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
    assert [example["label"] for example in found["examples"]] == ["joy", "sorrow"]
    assert all(example["mask"] == [False] * (len(example["ids"]) - 1) + [True] for example in found["examples"])


def test_a_parent_that_is_gone_is_said_in_words(tmp_path):
    shutil.copytree(TINY, tmp_path / "parent")
    config = SFTConfig.from_dict({"parent": str(tmp_path / "parent")})
    shutil.rmtree(tmp_path / "parent")
    with pytest.raises(ValueError, match=r"config.json: No such file or directory"):
        plan("sft", config)
