"""Chat templates of others are known by what they make of conversations, and run where they can do no harm."""

import json

import pytest

from core import checkpoint, foreign_weights
from core.chat_template import ALPACA, CHAT, CHATML, DIALOGPT, TEMPLATES, encode_chat
from core.checkpoint import Card
from core.foreign_templates import CASES, recognise, render
from core.stages.registry import answers

# As TRL's setup_chat_format and DialoGPT's tokenizer_config.json say it.
THEIR_CHATML = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
THEIR_DIALOGPT = "{% for message in messages %}{{ message.content }}{{ eos_token }}{% endfor %}"
TALKS_ON = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] }}{% endfor %}"


def test_templates_of_others_are_known_by_what_they_make(tokenizer):
    chatml = tokenizer.extended(CHATML.tokens, None)
    assert recognise(THEIR_CHATML, chatml) is CHATML and recognise(THEIR_CHATML, tokenizer) is None, (
        "it lacks the tokens"
    )
    assert recognise(THEIR_DIALOGPT, tokenizer) is DIALOGPT
    assert recognise(CHAT.jinja + " ", tokenizer) is CHAT and recognise(ALPACA.jinja + "{# #}", tokenizer) is ALPACA
    assert recognise(TALKS_ON, tokenizer) is None


def test_a_template_that_runs_for_ever_or_wants_out_is_none(monkeypatch):
    monkeypatch.setattr("core.foreign_templates.SECONDS", 2)
    nothing = [[None] * len(CASES)]
    assert render(["{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"]) == nothing
    assert render(["{{ ''.__class__.__mro__[1].__subclasses__() }}"]) == nothing
    assert all(text is not None for template in TEMPLATES.values() for text in render([template.jinja])[0])


@pytest.mark.parametrize(("source", "known"), [(THEIR_CHATML, CHATML), (TALKS_ON, None)])
def test_what_comes_with_a_template_answers_if_it_can_be_read(source, known, tmp_path, make_model, tokenizer):
    chatml = tokenizer.extended(CHATML.tokens, source)
    checkpoint.save(tmp_path / "theirs", make_model(vocab_size=chatml.vocab_size), chatml, Card("imported"))
    (tmp_path / "theirs" / "card.json").unlink()
    loaded = foreign_weights.read(tmp_path / "theirs", tmp_path)
    told = " ".join(note.what for note in loaded.notes)
    assert answers(loaded.card) == (known is not None)
    if known:
        assert loaded.tokenizer.chat_template == known.jinja and "which is chatml: it answers in turns" in told
        said = loaded.tokenizer.decode(encode_chat(loaded.tokenizer, CASES[1])[0])
        assert said == "<|im_start|>user\nWho's there?<|im_end|>\n<|im_start|>assistant\nNay, answer me.<|im_end|>\n"
    else:
        assert loaded.tokenizer.chat_template == source and "none of chat, alpaca, chatml, dialogpt" in told


def test_what_trl_has_saved_of_ours_answers_as_before(tmp_path, model, tokenizer):
    directory = tmp_path / "theirs"
    checkpoint.save(directory, model, tokenizer.extended([], CHAT.jinja), Card("sft"))
    (directory / "card.json").unlink()
    about = json.loads((directory / "tokenizer_config.json").read_text())
    (directory / "chat_template.jinja").write_text(about.pop("chat_template"))
    (directory / "tokenizer_config.json").write_text(json.dumps(about))
    assert answers(checkpoint.load(directory).card)
