"""The command line: every command does its work, and every mistake ends in one sentence and exit code 1."""

import io
import json
import re
import shutil

import pytest

from core import checkpoint
from core.__main__ import main
from core.config import leaves
from core.datasets import shakespeare
from core.evaluation.language_model import bits_per_byte
from core.generate import Sampling, stream_text
from core.packed_model import PRECISIONS, PackedGPT
from core.stages.pretrain import PretrainConfig
from core.tokenizer import Tokenizer
from core.training.log_lines import read_lines
from core.training.run_directory import Run
from tests.conftest import SENTENCES

SHAPE = "--n-layer 1 --n-head 2 --n-embd 16 --block-size 16 --vocab-size 300"
FIT = "--device cpu --max-steps 3 --warmup-steps 1 --batch-size 2 --eval-interval 3"


def pretrain(directory, text_file, *more: str) -> int:
    return main(["pretrain", str(directory), "--corpus", str(text_file), *f"{SHAPE} {FIT}".split(), *more])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run directory with a finished checkpoint, and the text that it learned from."""
    directory = tmp_path_factory.mktemp("cli")
    (directory / "text.txt").write_text(SENTENCES * 10, encoding="utf-8")
    assert pretrain(directory / "gpt", directory / "text.txt") == 0
    return directory / "gpt"


@pytest.fixture
def complaint(capsys):
    """`complaint(arguments)`: the one sentence with which a command fails."""

    def complaint(arguments: list) -> str:
        assert main([str(argument) for argument in arguments]) == 1
        written = capsys.readouterr().err
        assert re.fullmatch(r"error: [^\n]+\n", written)
        return written

    return complaint


# --- what works -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("sft NEW --parent checkpoints/none", "there is no checkpoint directory checkpoints/none"),
        ("sft NEW --data none.json", "none.json: No such file or directory"),
        ("dpo NEW", "data is empty: give a file of votes"),
        ("ppo NEW", "reward_model is empty: train a reward model on your votes first"),
        ("ppo NEW --reward-model checkpoints/bard-chat", "checkpoints/bard-chat is no reward model"),
        ("grpo NEW --reward beauty", "'beauty' is no reward: name one or several of"),
        ("grpo NEW --reward none.py:fn", "the reward none.py:fn is not there: there is no file"),
    ],
)
def test_a_start_that_could_only_fail_leaves_no_run_behind(command, sentence, tmp_path, capsys):
    assert main([part.replace("NEW", str(tmp_path / "new")) for part in command.split()]) == 1
    assert sentence in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_chat_answers_each_line_until_an_empty_one(trained, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("To be?\nOr not?\n\nnever read\n"))
    assert main(["chat", str(trained), "--max-new-tokens", "5", "--persona", "Hamlet"]) == 0
    written = capsys.readouterr().out
    assert written.count("> ") == 3 and len(written) > len("> > > ")


def test_models_are_listed_renamed_thrown_away_and_brought_back(trained, tmp_path, caplog, complaint):
    shutil.copytree(trained, tmp_path / "one")
    there = ["--directory", str(tmp_path)]
    caplog.set_level("INFO", "core")
    assert main(["models", "rename", "one", "two", *there]) == 0
    assert main(["models", "throw-away", "two", *there]) == 0
    assert main(["models", "list", *there]) == 0
    thrown = caplog.messages[-1].split()[0]
    assert thrown.startswith("two~") and main(["models", "restore", thrown, *there]) == 0
    assert (tmp_path / "two" / "model.safetensors").exists()
    assert "takes 2 names, got 1" in complaint(["models", "rename", "two", *there])
    assert "cannot be the name" in complaint(["models", "rename", "two", "../two", *there])


def test_pretrain_makes_what_the_flags_say(trained):
    loaded = checkpoint.load(trained)
    shape = loaded.model.config
    assert (shape.n_layer, shape.n_head, shape.n_embd, shape.block_size, shape.vocab_size) == (1, 2, 16, 16, 300)
    assert (loaded.card.stage, loaded.card.step, loaded.card.config["batch_size"]) == ("pretrain", 3, 2)


def test_the_first_flag_overrides_only_its_own_part_of_a_preset(tmp_path, text_file):
    assert pretrain(tmp_path / "run", text_file, "--preset", "mini", "--seed", "5", "--attn-scale", "0.5") == 0
    values = Run(tmp_path / "run").read()[1]
    given = {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 16, "vocab_size": 300}
    given |= {"device": "cpu", "max_steps": 3, "warmup_steps": 1, "batch_size": 2, "eval_interval": 3}
    given |= {"corpus": str(text_file), "seed": 5, "attn_scale": 0.5}
    assert values == PretrainConfig.preset("mini").to_dict() | given


def test_run_executes_what_was_created(tmp_path, text_file):
    config = PretrainConfig.from_dict(
        dict(corpus=str(text_file), n_layer=1, n_head=1, n_embd=8, block_size=8, vocab_size=270, device="cpu")
        | dict(max_steps=2, warmup_steps=1, batch_size=2)
    )
    run = Run.create(tmp_path / "run", "pretrain", config.to_dict())
    assert main(["run", str(run.directory)]) == 0
    assert run.status().state == "finished"
    assert [line["step"] for line in read_lines(run.metrics)[0]] == [1, 2]


def test_pretrain_takes_the_vocabulary_of_a_directory(tmp_path, text_file):
    assert main(["tokenizer", str(tmp_path / "words"), "--corpus", str(text_file), "--vocab-size", "280"]) == 0
    assert pretrain(tmp_path / "run", text_file, "--tokenizer", str(tmp_path / "words")) == 0
    loaded = checkpoint.load(tmp_path / "run")
    assert loaded.model.config.vocab_size == 280  # the vocabulary decides, not --vocab-size
    assert loaded.tokenizer.digest == Tokenizer.load(tmp_path / "words").digest


def test_generate_continues_a_text_the_same_way_for_the_same_seed(trained, capsys):
    def generate(*options: str) -> str:
        assert main(["generate", str(trained), "--device", "cpu", "--max-new-tokens", "20", *options]) == 0
        return capsys.readouterr().out

    first = generate("--prompt", "To be", "--seed", "1")
    assert first.startswith("To be") and len(first) > len("To be\n")
    assert generate("--prompt", "To be", "--seed", "1") == first
    assert generate("--prompt", "To be", "--seed", "2") != first
    assert generate("--temperature", "0", "--seed", "1") == generate("--temperature", "0", "--seed", "2")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_generate_packs_the_weights_as_told(precision, trained, capsys, monkeypatch):
    packed = []
    monkeypatch.setattr("core.commands.PackedGPT", lambda model, how: packed.append(how) or PackedGPT(model, how))
    options = ["--device", "cpu", "--max-new-tokens", "20", "--prompt", "To be", "--seed", "1"]
    assert main(["generate", str(trained), *options, "--precision", precision]) == 0
    written, loaded = capsys.readouterr().out, checkpoint.load(trained)
    steps = stream_text(
        PackedGPT(loaded.model, precision),
        loaded.tokenizer,
        loaded.tokenizer.encode("To be"),
        Sampling(max_new_tokens=20, seed=1),
    )
    assert written == "To be" + "".join(step.text for step in steps) + "\n"
    assert packed == [precision]


def test_evaluate_tells_bits_per_byte(trained, caplog):
    caplog.set_level("INFO")
    text = str(trained.parent / "text.txt")
    assert main(["evaluate", str(trained), "--corpus", text, "--device", "cpu"]) == 0
    expected = bits_per_byte(checkpoint.load(trained), shakespeare.load(text))
    assert f"{expected:.4f} bits per byte" in caplog.text
    assert expected == pytest.approx(checkpoint.load(trained).card.report["bpb/val"], rel=1e-4)


def test_corpus_writes_files_that_can_be_trained_on(tmp_path, text_file):
    assert main(["corpus", str(text_file), str(tmp_path / "carried")]) == 0
    carried, original = shakespeare.load(str(tmp_path / "carried")), shakespeare.load(str(text_file))
    assert (carried.train, carried.val) == (original.train, original.val)


def test_a_vocabulary_is_never_written_into_a_model(complaint, trained, text_file):
    before = (trained / "tokenizer.json").read_bytes()
    command = ["tokenizer", str(trained), "--corpus", str(text_file), "--vocab-size", "270"]
    assert complaint(command) == f"error: there is already something called {trained.name}: choose another name\n"
    assert (trained / "tokenizer.json").read_bytes() == before


def test_the_help_of_pretrain_explains_every_field(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["pretrain", "--help"])
    assert ended.value.code == 0
    help = " ".join(capsys.readouterr().out.split())
    for field in leaves(PretrainConfig):
        assert f"--{field.name.replace('_', '-')} " in help
        assert " ".join(field.metadata["setting"].help.split()) in help.replace("- ", "-")


# --- mistakes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--n-layer", "0"], "n_layer must be between 1 and 200, got 0"),
        (["--n-embd", "15"], "n_embd must be a multiple of n_head, got n_embd 15 and n_head 2"),
        (["--warmup-steps", "9"], "warmup_steps must be at most max_steps, got 9 and 3"),
        (["--vocab-size", "258"], "vocab_size must be at least 259"),
        (["--vocab-size", "5000"], "tokens, 5000 were asked for: give more text or a smaller vocab_size"),
        (["--block-size", "90000"], "fewer than one block of 90000 needs"),
        (["--corpus", "no-such-corpus"], "corpus no-such-corpus: No such file or directory; the built-in corpora are"),
        (["--tokenizer", "no-such-directory"], "no tokenizer.json in no-such-directory"),
    ],
)
def test_pretrain_refuses_in_one_sentence(flags, sentence, complaint, tmp_path, text_file):
    arguments = ["pretrain", tmp_path / "run", "--corpus", text_file, *f"{SHAPE} {FIT}".split(), *flags]
    assert sentence in complaint(arguments)


def test_a_text_too_short_to_learn_from_is_refused_and_its_name_stays_free(complaint, tmp_path, text_file):
    (tmp_path / "short.txt").write_text("To be, or not.", encoding="utf-8")
    flags = ["--corpus", tmp_path / "short.txt", *f"{SHAPE} {FIT}".split(), "--vocab-size", "259"]
    sentence = complaint(["pretrain", tmp_path / "run", *flags])
    assert "the training text has 13 tokens, fewer than one block of 16" in sentence
    status = Run(tmp_path / "run").status()
    assert (status.state, f"error: {status.message}\n") == ("failed", sentence)
    assert pretrain(tmp_path / "run", text_file) == 0


def test_a_taken_name_is_refused_and_the_checkpoint_under_it_stays(complaint, trained):
    before = (trained / "model.safetensors").read_bytes()
    text = trained.parent / "text.txt"
    assert "there is already something called gpt" in complaint(["pretrain", trained, "--corpus", text])
    assert (trained / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("command", ["generate", "evaluate", "run"])
def test_a_directory_that_is_not_there_is_named(command, complaint, tmp_path):
    assert str(tmp_path / "absent") in complaint([command, tmp_path / "absent"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--temperature", "-1"], "temperature must be between 0 and 5, got -1.0"),
        (["--top-p", "0"], "top_p must be between 0.01 and 1, got 0.0"),
        (["--device", "mps"], "device mps is not available on this machine"),
    ],
)
def test_generate_refuses_in_one_sentence(arguments, sentence, complaint, trained, monkeypatch):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert sentence in complaint(["generate", trained, *arguments])


def test_generate_refuses_a_precision_that_the_processor_lacks(complaint, trained, monkeypatch):
    def missing(*_):
        raise RuntimeError("Didn't find engine for operation")

    monkeypatch.setattr("core.packed_model.round_to_8_bits", missing)
    sentence = complaint(["generate", trained, "--device", "cpu", "--precision", "int8"])
    assert "precision int8 is not available on this processor: use float32" in sentence


def test_commands_refuse_texts_that_are_not_there(complaint, trained, tmp_path):
    for arguments in (["evaluate", trained, "--corpus", "x.txt"], ["corpus", "x.txt", tmp_path / "out"]):
        assert "corpus x.txt: No such file or directory" in complaint(arguments)
    assert "corpus x.txt: No such file" in complaint(["tokenizer", tmp_path / "out", "--corpus", "x.txt"])
    assert not (tmp_path / "out").exists()


def test_a_run_of_an_unknown_stage_or_with_unknown_settings_is_refused(complaint, tmp_path):
    unknown = Run.create(tmp_path / "future", "telepathy", {})
    assert "a run of the stage 'telepathy', which is not known here" in complaint(["run", unknown.directory])
    unknown = Run.create(tmp_path / "older", "pretrain", {"n_layers": 3})
    assert "unknown setting n_layers" in complaint(["run", unknown.directory])


@pytest.mark.parametrize("content", ["{", "[]", "{}", json.dumps({"stage": "pretrain"})])
def test_a_damaged_run_is_refused_with_its_path(content, complaint, tmp_path):
    run = Run.create(tmp_path / "run", "pretrain", {})
    (run.directory / "run.json").write_text(content, encoding="utf-8")
    assert str(run.directory) in complaint(["run", run.directory])


def test_a_file_in_the_way_of_what_is_written_is_named(complaint, tmp_path, text_file):
    assert f"{text_file}" in complaint(["corpus", text_file, text_file])
    assert text_file.name in complaint(["tokenizer", text_file, "--corpus", text_file, "--vocab-size", "270"])


def test_ctrl_c_before_the_training_begins_is_no_traceback(complaint, trained, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("core.checkpoint.load", interrupt)
    assert complaint(["generate", trained]) == "error: interrupted\n"
