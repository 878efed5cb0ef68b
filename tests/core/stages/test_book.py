"""The path of Raschka's "Build a Large Language Model (From Scratch)", chapters 6 and 7, in GPT-2's words.

Random weights, two blocks of an eighth of GPT-2's width, one step each, on files in the book's layouts. All 124 million
weights come in and go out in tests/core/test_import.py.
"""

import io
import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from core import checkpoint
from core.__main__ import main
from core.chat_template import encode_chat
from core.checkpoint import Card
from core.model import GPT, GPTConfig
from core.tokenizer import Tokenizer

SPAM = "Label,Text\n" + "".join(f"0,How are you {n}?\n1,Win {n} now!\n" for n in range(6))
ASKED = [{"instruction": f"Double the number {n}.", "input": "" if n % 2 else "As a word."} for n in range(6)]
ANSWERED = [asked | {"output": "Four.", "chosen": "It is four.", "rejected": "Four!"} for asked in ASKED]
ONE_STEP = ["--device", "cpu", "--max-steps", "1", "--warmup-steps", "0", "--batch-size", "2"]
ONE_STEP += ["--eval-interval", "1000", "--save-dtype", "float16"]
TURN = [{"role": "user", "content": "Who's there?"}, {"role": "assistant", "content": "It is I."}]


@pytest.mark.slow
def test_gpt2_goes_the_books_way(tmp_path, monkeypatch, capsys):
    def made(name: str) -> str:
        return str(tmp_path / name)

    def written(name: str, text: str) -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return made(name)

    def run(*command: str) -> None:
        assert main([*command]) == 0, capsys.readouterr().err

    gpt2 = GPT(GPTConfig.preset("gpt2", n_layer=2, n_embd=96))
    with torch.no_grad():  # <|endoftext|> is likely everywhere, so that no answer is long
        gpt2.transformer.ln_f.bias += 100 * gpt2.transformer.wte.weight[50256]
    checkpoint.save(tmp_path / "openai", gpt2, Tokenizer.gpt2(), Card("imported"), torch.float16)
    run("import", made("openai"), made("gpt2"))
    spam = ["--data", written("spam.csv", SPAM), "--train-what", "last-block"]
    run("classify", made("spam"), "--parent", made("gpt2"), *spam, *ONE_STEP)
    instructions = ["--data", written("instruction-data.json", json.dumps(ANSWERED, indent=2)), "--val-share", "0.3"]
    run("sft", made("chat"), "--parent", made("gpt2"), *instructions, *ONE_STEP)
    preferences = ["--data", written("instruction-data-with-preference.json", json.dumps(ANSWERED, indent=2))]
    run("dpo", made("aligned"), "--parent", made("chat"), *preferences, *ONE_STEP)
    monkeypatch.setattr("sys.stdin", io.StringIO("Who's there?\n\n"))
    run("chat", made("aligned"), "--max-new-tokens", "3")
    check(tmp_path / "aligned")


def check(directory: Path) -> None:
    """It has the chat tokens and their rows, and reads elsewhere as it does here."""
    ours, tokenizer = checkpoint.load(directory), AutoTokenizer.from_pretrained(directory)
    assert ours.tokenizer.special_tokens == {"<|endoftext|>": 50256, "<|user|>": 50257, "<|assistant|>": 50258}
    assert ours.model.transformer.wte.weight.shape == (50304, 96)
    ids, _ = encode_chat(ours.tokenizer, TURN)
    assert tokenizer.apply_chat_template(TURN)["input_ids"] == ids
    theirs = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    with torch.inference_mode():
        idx = torch.tensor([ids])
        torch.testing.assert_close(ours.model(idx)[0], theirs(idx).logits, rtol=1e-3, atol=1e-3)
