"""What a model reads of a conversation, and how it answers."""

import pytest
import torch

from core.chat_template import encode_prompt
from core.conversation import Conversation, Message, context_of_next, crop_to_context, generate_reply, personas
from core.generate import Sampling

SAID = (Message("user", "To be?"), Message("assistant", "Not to be."), Message("user", " And now? "))
GREEDY = Sampling(max_new_tokens=12, temperature=0)


def test_a_model_that_answers_reads_turns_with_the_instruction_that_it_was_taught(tokenizer):
    asked = Conversation(SAID, persona="Hamlet", system="It is night.")
    expected = [
        ("user", "It is night.\n\nTo be?"),
        ("assistant", "Not to be."),
        ("user", 'And now?\n\nAnswer as "HAMLET".'),
    ]
    messages = [{"role": role, "content": content} for role, content in expected]
    assert asked.encode(tokenizer) == encode_prompt(tokenizer, messages)
    assert asked.ends(tokenizer)[-1] == len(asked.encode(tokenizer)) - 1, "all but the sign that it is the model's turn"


def test_a_base_model_reads_one_scene_with_the_name_above_its_speech(tokenizer):
    said = (Message("user", "ROMEO:\nAy me!"), Message("assistant", "\n\nJULIET:\nHe speaks.\n"), Message("user", "O"))
    asked = Conversation(said, system="Verona.", answers=False)
    assert tokenizer.decode(asked.encode(tokenizer)) == "Verona.\n\nROMEO:\nAy me!\n\nJULIET:\nHe speaks.\n\nO"
    as_nurse = Conversation(said, persona="Nurse", answers=False)
    assert tokenizer.decode(as_nurse.encode(tokenizer)).endswith("He speaks.\n\nO\n\nNURSE:\n")
    named = Conversation((*said, Message("user", "JULIET:\n")), persona="Nurse", answers=False)
    assert tokenizer.decode(named.encode(tokenizer)).endswith("O\n\nJULIET:\n"), "the person's own name comes first"


def test_nothing_said_is_refused_in_words():
    with pytest.raises(ValueError, match="write a line first"):
        Conversation((Message("user", " \n"),))
    with pytest.raises(ValueError, match="this model answers"):
        Conversation(SAID[:2])
    assert Conversation(SAID[:2], answers=False).text


def ids(model, tokenizer, asked, written=()):
    return [step.id for step in generate_reply(model, tokenizer, asked, GREEDY, written)]


@pytest.mark.parametrize("block_size", [16, 64])
def test_an_answer_that_was_begun_goes_on_as_it_would_have(make_model, tokenizer, block_size):
    asked = Conversation((Message("user", "If music"),), answers=False)
    model = make_model(block_size=block_size)
    whole = ids(model, tokenizer, asked)
    assert len(whole) == 12
    if block_size == 64:  # where the context slides, one that is begun anew slides at other places
        assert whole[:5] + ids(model, tokenizer, asked, whole[:5])[:7] == whole
    assert ids(model, tokenizer, asked, whole[:1])[0] == model_says(model, asked.encode(tokenizer), whole[:1])


def model_says(model, prompt, written):
    """The likeliest token by a full pass over what is said to have been seen."""
    seen = context_of_next(prompt, written, model.config.block_size)
    return int(model(torch.tensor([seen]))[0][0, -1].argmax())


def test_as_somebody_a_base_model_ends_with_its_speech(make_model, tokenizer):
    asked = Conversation(SAID[:1], persona="Hamlet", answers=False)
    model = make_model(block_size=64)
    break_id = tokenizer.encode("\n")[0]
    with_break = ids(model, tokenizer, asked, (*tokenizer.encode("Ay"), break_id, break_id))
    assert with_break == [], "a blank line has ended it"


def test_the_end_that_fits_is_seen():
    assert crop_to_context(list(range(10)), 16) == list(range(10))
    assert len(crop_to_context(list(range(100)), 16)) <= 16 and crop_to_context(list(range(100)), 16)[-1] == 99


def test_personas_are_those_who_say_most():
    names = personas()
    assert {"HAMLET", "FALSTAFF", "IAGO", "ROSALIND"} <= set(names) and len(names) == len(set(names)) == 60
