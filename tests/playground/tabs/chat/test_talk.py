"""The conversation: how each of its answers is drawn."""

from collections import Counter
from pathlib import Path

import torch

from core.conversation import Conversation, Message, generate_reply
from core.generate import Sampling
from playground.services.checkpoints import Checkpoints
from playground.tabs.chat.talk import read_by, seed_at

SHIPPED = Path(__file__).parents[4] / "checkpoints"
LINES = (
    "Good morrow, sir! How do you fare today?",
    "Who are you, and where do you come from?",
    "Do you love me?",
    "Tell me a story about a king.",
    "Speak of the moon.",
    "Who stole my purse?",
    "My father is dead.",
    "Shall we go to war?",
    "What news from the court?",
    "Farewell, good friend.",
)


def test_each_place_in_the_tree_is_drawn_anew_and_always_alike() -> None:
    places = [(0,), (0, 0), (0, 1), (0, 0, 0, 0), (0, 10), (1, 0)]
    seeds = [seed_at(seed, place) for seed in (0, 1) for place in places]
    assert len(set(seeds)) == len(seeds), "two answers are drawn with the same numbers"
    assert seed_at(0, (0, 1)) == seed_at(0, [0, 1]) and all(Sampling(seed=seed) for seed in seeds)


def test_ten_turns_of_the_shipped_model_begin_differently() -> None:
    """With the same random numbers each time, half of them began alike."""
    model, tokenizer = Checkpoints(SHIPPED, torch.device("cpu")).writer("bard-chat", "float32")
    messages: list[Message] = []
    for turn, line in enumerate(LINES):
        messages.append(Message("user", line))
        settings = Sampling(max_new_tokens=4, seed=seed_at(0, [0] * (2 * turn + 2)))
        steps = generate_reply(model, tokenizer, Conversation((*messages,)), settings)
        messages.append(Message("assistant", "".join(step.text for step in steps)))
    first_words = Counter(message.content.split()[0].strip(",.!?") for message in messages[1::2])
    assert len(first_words) >= 8 and max(first_words.values()) <= 2, first_words


def test_a_model_that_answers_reads_up_to_the_persons_last_line_and_another_one_all() -> None:
    first, answer, last = ({"role": role, "content": role} for role in ("user", "assistant", "user"))
    assert read_by([first, answer], answers=True) == [first]
    assert read_by([first, answer, last], answers=True) == [first, answer, last]
    assert read_by([first, answer], answers=False) == [first, answer]
    assert read_by([answer], answers=True) == [] == read_by([], answers=True)
