"""What is said of data before anything is trained: one form for all kinds."""

import json
from pathlib import Path

import pytest

from core.cli import main
from core.datasets.labelled_files import Columns
from core.stages.registry import STAGES

TINY = str(Path(__file__).parents[3] / "checkpoints" / "bard-tiny")
USER, ASSISTANT = {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I."}
SPAM = "text,mood\nHi,ham\nLo,HAM\nYo,ham\nHm,ham\n,ham\nWIN,spam\n"
KINDS = {  # stage, content, columns, what is said
    "conversations": (
        "sft",
        json.dumps({"messages": [USER, ASSISTANT, USER]}) + "\n{",
        Columns(),
        {
            "layout": "OpenAI messages (JSON lines)",
            "encoding": "utf-8",
            "records": 1,
            "left_out": [(1, "its last turn, which has no answer"), (2, "this is no JSON")],
            "examples": [{"messages": [USER, ASSISTANT]}],
        },
    ),
    "preferences": (
        "dpo",
        json.dumps([{"prompt": "Who?", "chosen": "I.", "rejected": text} for text in ("He.", "I.")]),
        Columns(),
        {
            "layout": "TRL (JSON list)",
            "encoding": "utf-8",
            "records": 1,
            "left_out": [(1, "chosen and rejected are the same")],
            "examples": [
                {"prompt": [USER], "chosen": [ASSISTANT], "rejected": [{"role": "assistant", "content": "He."}]}
            ],
        },
    ),
    "labelled texts": (
        "classify",
        SPAM,
        Columns(label="mood"),
        {
            "layout": "'text' holds the text, 'mood' the label (comma-separated); "
            "the labels 'ham', 'HAM' are taken as one, 'ham'",
            "encoding": "utf-8",
            "records": 5,
            "left_out": [(6, "the text is empty")],
            "examples": [{"text": t, "label": "ham"} for t in ("Hi", "Lo", "Yo")] + [{"text": "WIN", "label": "spam"}],
        },
    ),
    "texts": (
        "pretrain",
        "One.<|endoftext|>Two.",
        Columns(),
        {
            "layout": "plain text, documents end with <|endoftext|>",
            "encoding": "utf-8",
            "records": 2,
            "left_out": [],
            "examples": [{"document": "One."}, {"document": "Two."}],
        },
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_is_described_in_the_same_form(kind, tmp_path, capsys):
    stage, content, columns, expected = KINDS[kind]
    (tmp_path / "file").write_text(content)
    chosen = ["--label-column", columns.label] if columns.label else []
    assert main(["data", str(tmp_path / "file"), "--stage", stage, "--json", *chosen]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["line"] for one in said["left_out"]] == [line for line, _ in expected["left_out"]]
    assert all(one["why"].startswith(why) for one, (_, why) in zip(said["left_out"], expected["left_out"], strict=True))
    assert said | {"left_out": []} == expected | {"left_out": []} and list(said) == list(expected)


def test_every_stage_that_learns_from_a_file_can_look_at_it():
    assert [stage.name for stage in STAGES.values() if not stage.look] == ["ppo", "grpo"]  # which write answers


def test_examples_are_shown_as_text_and_as_tokens_that_count(tmp_path, caplog, capsys):
    path = tmp_path / "talk.jsonl"
    path.write_text(
        "\n".join(json.dumps({"instruction": f"Say {n}!", "output": f"It is {n}."}) for n in range(3)) + "\n{"
    )
    caplog.set_level("INFO")
    assert main(["data", str(path), "--stage", "sft", "--parent", TINY]) == 0
    said = caplog.text
    for expected in ("talk.jsonl: Alpaca (JSON lines)", "3 of 4 records are read", "- line 4: this is no JSON"):
        assert expected in said
    assert "User: Say 0!\n\nAssistant: It is 0." in said and "<|assistant|>|[" in said and "[<|endoftext|>]" in said


def test_what_nothing_can_be_learned_from_is_an_error_for_scripts(tmp_path, capsys):
    path = tmp_path / "alike.jsonl"
    path.write_text(json.dumps({"prompt": "Who?", "chosen": "I.", "rejected": "I."}))
    assert main(["data", str(path), "--stage", "dpo", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["records"] == 0 and "are the same" in err


def test_votes_are_imported_though_a_line_is_bad_if_that_is_asked_for(tmp_path, caplog, capsys):
    path = tmp_path / "votes.jsonl"
    path.write_text('{"prompt": "Who?", "chosen": "I.", "rejected": "He."}\n{\n')
    command = ["votes", "import", str(path), "--db", str(tmp_path / "preferences.db")]
    assert main(command) == 1 and "line 2: this is no JSON" in capsys.readouterr().err
    caplog.set_level("INFO")
    assert main([*command, "--skip-bad-lines"]) == 0
    assert "1 vote and 0 thumbs added, of 2 records" in caplog.text and "- line 2: this is no JSON" in caplog.text
