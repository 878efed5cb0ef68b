"""Instructions that rules can check: the rules, and that the real replies of the plays obey what is asked of them."""

from collections import Counter

import pytest

from core.datasets import shakespeare
from core.datasets.instructions import (
    KINDS,
    LONGEST_CUE,
    LONGEST_REPLY,
    MOST_LINES,
    Dialogue,
    Instruction,
    dialogues,
    exchanges,
    instruction_sentence,
    openings,
    satisfied_instructions,
    shorten_cue,
    single_instruction_dialogues,
    split,
)
from core.datasets.shakespeare import HELD_OUT, Play, Speech

SPEECHES = (
    ("I", "i", "BERNARDO", "Who's there?"),
    ("I", "i", "FRANCISCO", "Nay, answer me. Stand and unfold\nyourself!"),
    ("I", "i", "First Watch", "O love,\nO death! What now?"),
    ("I", "ii", "KING", "How now! A new scene answers nobody."),
    ("I", "ii", "QUEEN", "x" * (LONGEST_REPLY + 1) + "."),
)
TOY = Play("toy", "Toy", "tragedies", tuple(Speech(*speech) for speech in SPEECHES))


@pytest.fixture(scope="module")
def plays() -> tuple[list[Play], list[Play]]:
    return split(shakespeare.plays())


@pytest.fixture(scope="module")
def learned(plays) -> list[Dialogue]:
    return dialogues(plays[0], 1)


# --- the rules ------------------------------------------------------------------------------------------------

OBEYED = [
    ("speaker", "HAMLET", "HAMLET:\nAy."),
    ("lines", "one line", "Ay, my lord."),
    ("lines", "two lines", "HAMLET:\nAy,\nmy lord."),
    ("lines", "two lines", "Ay,\n\nmy lord.\n"),
    ("mention", "love", "Love, I say!"),
    ("mention", "England", "To england."),
    ("question", "", "HAMLET:\nWho? \n"),
    ("exclamation", "", "Away!"),
    ("begin", "O", "HAMLET:\nO, what a rogue!"),
    ("begin", "Nay", "nay"),
]
DISOBEYED = [
    ("speaker", "HAMLET", "HAMLET: Ay."),
    ("speaker", "HAMLET", "HAMLET:\n "),
    ("speaker", "HAMLET", "OPHELIA:\nHAMLET:\nAy."),
    ("lines", "one line", "Ay,\nmy lord."),
    ("lines", "one line", "HAMLET:\n"),
    ("lines", "two lines", "HAMLET:\nAy, my lord."),
    ("mention", "love", "Beloved, I leave the glove."),
    ("mention", "love", "LOVE:\nAy, my lord."),
    ("question", "", "Who? Nobody."),
    ("exclamation", "", "Away! Go."),
    ("begin", "O", "Of course."),
    ("begin", "O", ""),
    ("begin", "Nay", "O, nay."),
]


@pytest.mark.parametrize(
    ("kind", "value", "reply", "follows"), [(*case, True) for case in OBEYED] + [(*case, False) for case in DISOBEYED]
)
def test_a_rule_tells_who_obeys(kind, value, reply, follows):
    assert Instruction(kind, value).is_followed(reply) is follows


def test_instructions_are_asked_for_in_words():
    one, two = Instruction("speaker", "HAMLET"), Instruction("lines", "two lines")
    assert instruction_sentence([one, two]) == 'Answer as "HAMLET", in two lines.'
    assert instruction_sentence([Instruction("mention", "death"), Instruction("question")]) == (
        "Answer: mention death, end with a question."
    )


def test_what_a_reply_could_have_been_asked_for():
    named, unnamed = (Speech("I", "i", name, "O love,\nO death! What now?") for name in ("MACBETH", "First Watch"))
    common = [("lines", "two lines"), ("mention", "love"), ("mention", "death"), ("question", ""), ("begin", "O")]
    assert [(i.kind, i.value) for i in satisfied_instructions(named)] == [("speaker", "MACBETH"), *common]
    assert [(i.kind, i.value) for i in satisfied_instructions(unnamed)] == common


# --- exchanges ------------------------------------------------------------------------------------------------


def test_a_reply_opens_with_whole_sentences_that_are_short_enough():
    assert openings("Nay, answer me. Stand and unfold\nyourself!") == [
        "Nay, answer me.",
        "Nay, answer me. Stand and unfold\nyourself!",
    ]
    assert openings("No sentence,") == openings("3.5 is none") == []
    assert openings("a.\nb.\nc.\nd.\ne.")[-1] == "a.\nb.\nc.\nd."
    assert openings("x" * (LONGEST_REPLY - 1) + ".") and not openings("x" * LONGEST_REPLY + ".")


def test_of_a_long_cue_the_last_lines_are_kept():
    line = "y" * 99
    assert shorten_cue(f"{line}\n{line}\nend") == f"{line}\nend"
    assert shorten_cue("z" * 200 + "!") == "z" * (LONGEST_CUE - 1) + "!"


def test_replies_follow_within_a_scene():
    found = [(cue, [reply.text for reply in replies]) for cue, replies in exchanges(TOY)]
    assert [cue for cue, _ in found] == [SPEECHES[0][3], SPEECHES[1][3]]
    assert found[1][1] == ["O love,\nO death!", "O love,\nO death! What now?"]


# --- dialogues ------------------------------------------------------------------------------------------------


def test_every_dialogue_of_the_plays_fulfils_its_own_instructions(plays, learned):
    made = learned + single_instruction_dialogues(plays[1], 0, 100)
    assert len(made) > 20_000
    assert [d for d in made if not all(i.is_followed(d.reply) for i in d.instructions)] == []
    counts = Counter(len(d.instructions) for d in made)
    assert all(counts[n] / len(made) == pytest.approx(share, abs=0.03) for n, share in ((0, 0.1), (1, 0.6), (2, 0.3)))


def test_dialogues_hold_short_cues_and_whole_sentences_and_name_the_speaker_only_where_asked(plays):
    for dialogue in dialogues(plays[1], 2):
        named = [i.value for i in dialogue.instructions if i.kind == "speaker"]
        text = dialogue.reply.removeprefix(f"{named[0]}:\n") if named else dialogue.reply
        assert (text != dialogue.reply) == bool(named)
        assert text[-1] in ".?!" and len(text) <= LONGEST_REPLY and text.count("\n") < MOST_LINES
        assert len(dialogue.cue) <= LONGEST_CUE
        assert dialogue.messages[0]["content"].startswith(dialogue.cue)
        assert len({i.kind for i in dialogue.instructions}) == len(dialogue.instructions)


def test_nothing_of_the_held_out_plays_is_learned(plays, learned):
    names = [{play.name for play in part} for part in plays]
    assert names[1] == set(HELD_OUT) and not names[0] & names[1]
    kept = {(d.cue, d.reply) for d in single_instruction_dialogues(plays[1], 0, 100)}
    assert kept and not kept & {(d.cue, d.reply) for d in learned}


def test_the_seed_decides_everything_and_variants_differ():
    play = Play("toy", "Toy", "tragedies", TOY.speeches[:3] * 20)
    assert dialogues([play], 1, 2) == dialogues([play], 1, 2) != dialogues([play], 2, 2)
    twice, count = dialogues([play], 1, 2), len(exchanges(play))
    assert len(twice) == 2 * count and twice[:count] != twice[count:]
    assert [d.cue for d in twice[:count]] == [d.cue for d in twice[count:]]
    assert single_instruction_dialogues([play], 1, 8) == single_instruction_dialogues([play], 1, 8)


def test_checkable_dialogues_ask_for_one_thing_each_as_often_of_every_kind(plays):
    made = single_instruction_dialogues(plays[1], 0, 40)
    assert {len(d.instructions) for d in made} == {1}
    assert Counter(d.instructions[0].kind for d in made) == dict.fromkeys(KINDS, 40)
    values = Counter((i.kind, i.value) for d in made for i in d.instructions if i.value)
    assert max(values.values()) == 10
    assert made != single_instruction_dialogues(plays[1], 1, 40)
    for play in plays[1]:  # not the beginning of the first one alone
        assert {cue for cue, _ in exchanges(play)} & {d.cue for d in made}
