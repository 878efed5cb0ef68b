"""The store of votes: nothing is lost and nothing is doubled, whoever votes, however often, and whatever is killed."""

import multiprocessing as mp
import os
import random
import signal
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from sklearn.metrics import cohen_kappa_score

from core.datasets.preference_files import OVERALL, Preference
from core.preferences import vote_store
from core.preferences.agreement import (
    cohen_kappa,
    length_bias,
    model_wins,
    position_bias,
    self_consistency,
    wilson,
    win_rate,
)
from core.preferences.vote_store import (
    MUCH,
    SCHEMA,
    SLIGHT,
    AlreadyVoted,
    Answer,
    NewPair,
    Vote,
    Votes,
    unknown_criteria,
)


def pairs(count: int, models: tuple[str, str] = ("m", "m"), source: str = "label") -> list[NewPair]:
    return [
        NewPair(
            f"p{n}",
            Answer(f"a{n}", models[0], n),
            Answer(f"b{n} longer", models[1], n + 1),
            {"temperature": 1.0},
            source,
        )
        for n in range(count)
    ]


@pytest.fixture
def votes(tmp_path: Path) -> Votes:
    return Votes(tmp_path / "preferences.db")


def rows(votes: Votes, table: str) -> int:
    with closing(sqlite3.connect(votes.path)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


# --- one vote -------------------------------------------------------------------------------------------------


def test_a_vote_is_kept_with_all_that_is_known_of_it(votes):
    (id,) = votes.add_pairs(pairs(1))
    votes.cast("k", id, "Ann", "right", 1234, "a note 🙂", predicted=0.25)
    (vote,) = Votes(votes.path).standing()
    assert (vote.annotator, vote.choice, vote.milliseconds, vote.note, vote.predicted) == (
        "Ann",
        "right",
        1234,
        "a note 🙂",
        0.25,
    )
    assert vote.pair.sampling == {"temperature": 1.0} and vote.pair.left == Answer("a0", "m", 0)
    assert vote.chosen.text == "b0 longer" and vote.rejected.text == "a0" and vote.decided


def test_the_same_key_stores_once_and_another_on_the_same_pair_is_refused(votes):
    first, second = votes.add_pairs(pairs(2))
    id = votes.cast("k", first, "Ann", "left", 1)
    assert votes.cast("k", first, "Ann", "left", 1) == id
    with pytest.raises(AlreadyVoted, match="Ann has voted on this pair"):
        votes.cast("k2", first, "Ann", "right", 1)
    votes.cast("k3", first, "Bob", "right", 1)
    votes.cast("k4", second, "Ann", "tie", 1)
    assert rows(votes, "votes") == 3 and votes.annotators() == {"Ann": 2, "Bob": 1}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((99, "Ann", "left"), "no pair number 99"),
        ((1, "Ann", "up"), "choice must be one of"),
        ((1, " ", "left"), "has no name"),
        ((1, "Ann", "left", 1, "", 1.5), "predicted must be a probability"),
        ((1, "Ann", "left", 1, "", None, -0.5), "margin must be a number of 0 or more"),
        ((1, "Ann", "tie", 1, "", None, 1.0), "only of an answer that is better"),
        ((1, "Ann", "left", 1, "", None, 0.0, "charm"), "criterion must be one of"),
    ],
)
def test_a_vote_that_makes_no_sense_is_refused(arguments, sentence, votes):
    votes.add_pairs(pairs(1))
    with pytest.raises(ValueError, match=sentence):
        votes.cast("k", *(arguments if len(arguments) > 3 else (*arguments, 1)))
    assert rows(votes, "votes") == 0


def test_undo_goes_back_step_by_step_and_adds_rows(votes):
    ids = votes.add_pairs(pairs(3))
    for number, id in enumerate(ids):
        votes.cast(f"k{number}", id, "Ann", "left", 1)
    votes.cast("bob", ids[0], "Bob", "left", 1)
    assert votes.undo("u1", "Ann").id == ids[2]
    assert votes.undo("u1", "Ann").id == ids[2]  # the same key again
    assert votes.undo("u2", "Ann").id == ids[1]
    votes.cast("again", ids[1], "Ann", "right", 1)
    assert [votes.undo(f"u{n}", "Ann").id for n in (3, 4)] == [ids[1], ids[0]]
    assert votes.undo("u5", "Ann") is None
    assert rows(votes, "votes") == 5 and rows(votes, "withdrawals") == 4
    assert [vote.annotator for vote in votes.standing()] == ["Bob"]


def test_a_deleted_vote_is_a_row_more_not_a_hole(votes):
    (id,) = votes.add_pairs(pairs(1))
    vote = votes.cast("k", id, "Ann", "left", 1)
    for _ in range(2):
        votes.withdraw("d", vote, "delete")
    assert votes.standing() == [] and rows(votes, "votes") == rows(votes, "withdrawals") == 1
    other = votes.cast("k2", id, "Ann", "right", 1)
    changed = votes.change("c", other, "tie")
    votes.withdraw("u", changed, "undo")
    assert [(found.id, found.choice, found.pair.id) for found in votes.deleted({vote, other, changed})] == [
        (vote, "left", id)
    ]
    assert votes.deleted({other}) == []
    with pytest.raises(ValueError, match="no vote number 7"):
        votes.withdraw("d2", 7, "delete")


def test_a_changed_vote_takes_the_place_of_the_one_before_and_nothing_is_lost(votes):
    (id,) = votes.add_pairs(pairs(1))
    before = votes.cast("k", id, "Ann", "left", 700, "a note", 0.9, criterion="obeys")
    after = votes.change("c", before, "right", MUCH)
    assert votes.change("c", before, "right", MUCH) == after, "the same key again is no other change"
    (vote,) = votes.standing()
    assert (vote.id, vote.choice, vote.margin, vote.criterion) == (after, "right", MUCH, "obeys")
    assert (vote.note, vote.milliseconds, vote.predicted) == ("a note", 700, None)
    assert rows(votes, "votes") == 2 and rows(votes, "withdrawals") == 1
    with pytest.raises(ValueError, match="this vote is not there any more"):
        votes.change("c2", before, "tie")
    with pytest.raises(ValueError, match="only of an answer that is better"):
        votes.change("c3", after, "tie", SLIGHT)
    assert votes.standing() == [vote]


def test_how_much_better_an_answer_is_goes_out_and_comes_in(votes):
    ids = votes.add_pairs(pairs(3))
    for id, (choice, margin) in zip(ids, (("left", MUCH), ("right", SLIGHT), ("tie", 0.0)), strict=True):
        votes.cast(f"k{id}", id, "Ann", choice, 1, margin=margin)
    given = votes.preferences()
    assert [pair.margin for pair in given] == [MUCH, SLIGHT, 0.0]
    assert votes.import_preferences(given, "file") == 3 and votes.import_preferences(given, "file") == 0
    assert [vote.margin for vote in votes.standing("file")] == [MUCH, SLIGHT, 0.0]


def test_votes_by_another_criterion_are_learned_from_apart(votes):
    first, second = votes.add_pairs(pairs(2))
    votes.cast("k1", first, "Ann", "left", 1)
    votes.cast("k2", second, "Ann", "right", 1, criterion="character")
    votes.cast("k3", second, "Bob", "right", 1)
    assert [p.prompt for p in votes.preferences(criteria=[OVERALL])] == ["p0", "p1"]
    assert [p.prompt for p in votes.preferences(["Ann"], criteria=["character"])] == ["p1"]
    assert cohen_kappa(votes.standing("Ann"), votes.standing("Bob")) == (None, 0), (
        "they have judged by different criteria"
    )


def test_only_what_is_new_is_read_and_it_is_what_the_store_holds_whoever_has_changed_it(votes, tmp_path, monkeypatch):
    """Random votes, changes, withdrawals and renames by two windows, and in the end by another file in its place."""
    chance, windows, reads = random.Random(1), (votes, Votes(votes.path)), []
    read_pair = vote_store.read_pair
    monkeypatch.setattr(vote_store, "read_pair", lambda row: reads.append(row[0]) or read_pair(row))
    for number in range(120):
        window, standing, act = chance.choice(windows), votes.standing(), chance.choice("vvvcwr")
        reads.clear()
        if act == "v" or not standing:
            (id,) = window.add_pairs(
                pairs(1, chance.choice((("x", "y"), ("z", "x"))), chance.choice(("label", "chat")))
            )
            window.cast(f"k{number}", id, chance.choice(("Ann", "Bob")), "left", 1)
        elif act == "c":
            window.change(f"c{number}", chance.choice(standing).id, "right")
        elif act == "w":
            window.withdraw(f"w{number}", chance.choice(standing).id, "undo")
        else:
            window.rename_model("x", f"x{number}")
        found = votes.standing()
        assert act == "r" or len(reads) <= 2, "one by cast, to know that it is there, and one of what is new"
        fresh = Votes(votes.path)
        assert found == fresh.standing() == windows[1].standing()
        assert votes.standing("Ann") == [vote for vote in found if vote.annotator == "Ann"]
        assert votes.standing(source="chat", writer="y", after=9) == [
            vote for vote in found if vote.pair.source == "chat" and vote.pair.left.model != "z" and vote.id > 9
        ]
    other = Votes(tmp_path / "other.db")
    other.add_voted(pairs(2), ["left", "tie"], "Eve")
    other.connection().execute(f"PRAGMA user_version = {vote_store.renames(votes.connection())}")
    for store in (other, votes):
        store.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.connection().close()
    (tmp_path / "other.db").replace(votes.path)
    for window in windows:
        assert [vote.annotator for vote in window.standing()] == ["Eve", "Eve"]


def test_open_pairs_are_those_without_a_vote_of_this_annotator(votes):
    ids = votes.add_pairs([*pairs(3, ("x", "y"), "compare"), *pairs(2)])
    votes.cast("k", ids[0], "Ann", "left", 1)
    assert [p.id for p in votes.open_pairs("Ann", "compare", ("y", "x"), 10)] == ids[1:3]
    assert [p.id for p in votes.open_pairs("Bob", "compare", ("x", "y"), 2)] == ids[:2]
    assert [p.id for p in votes.open_pairs("Ann", "label", ("m", "m"), 10)] == ids[3:]


def test_preferences_leave_out_what_was_skipped_and_make_ties_of_what_was_undecided(votes):
    for number, (id, choice) in enumerate(
        zip(votes.add_pairs(pairs(5)), ("left", "right", "tie", "bad", "skip"), strict=True)
    ):
        votes.cast(f"k{number}", id, "Ann" if number else "Bob", choice, 1)
    assert votes.preferences() == [
        Preference("p0", "a0", "b0 longer"),
        Preference("p1", "b1 longer", "a1"),
        Preference("p2", "a2", "b2 longer", tie=True),
        Preference("p3", "a3", "b3 longer", tie=True),
    ]
    assert len(votes.preferences(["Ann"])) == 3 and votes.preferences(sources=["rule"]) == []


def test_the_criterion_of_a_vote_is_exported_and_imported_and_one_of_others_is_kept_as_overall(votes):
    given = [Preference("To be?", "Ay.", "No.", criterion=name) for name in ("character", "overall", "helpfulness")]
    assert unknown_criteria(given) == ["judged by 'helpfulness', kept as overall: 1"]
    assert votes.import_preferences(given, "file") == 3 and votes.import_preferences(given, "file") == 0
    assert [vote.criterion for vote in votes.standing("file")] == ["character", "overall", "overall"]
    assert votes.preferences(["file"])[:2] == given[:2]


def test_imported_preferences_come_once_and_their_sides_tell_nothing(votes):
    given = [Preference(f"p{n}", "good", "bad", tie=n == 3) for n in range(8)]
    assert votes.import_preferences(given, "file") == 8 and votes.import_preferences(given, "file") == 0
    assert votes.import_preferences(given, "other") == 8
    assert {p.prompt: p for p in votes.preferences(["file"])} == {p.prompt: p for p in given} | {
        "p3": votes.preferences(["file"])[3]
    }
    assert position_bias(votes.standing("file")).share == pytest.approx(0.5, abs=0.1)


def test_of_a_pair_that_several_voted_on_every_vote_is_exported_and_imported(votes):
    (id,) = votes.add_pairs(pairs(1))
    for name, choice in (("Ann", "left"), ("Bob", "left"), ("Cid", "right"), ("Dan", "tie")):
        votes.cast(name, id, name, choice, 1)
    given = votes.preferences()
    assert len(given) == 4 and votes.import_preferences(given[:3], "file") == 3
    assert votes.import_preferences(given, "file") == 1  # the tie is new
    turned = [replace(pair, chosen=pair.rejected, rejected=pair.chosen) if pair.tie else pair for pair in given]
    assert votes.import_preferences(turned, "file") == 0
    assert [(p.chosen, p.tie) for p in votes.preferences(["file"])] == [(p.chosen, p.tie) for p in given]


HISTORY = (("system", "Be brief."), ("user", "Hm?"), ("assistant", "Yes?"))


def test_what_was_said_before_is_kept_and_a_store_of_an_earlier_version_gets_a_place_for_it(tmp_path):
    versions = ",\n    left_version INTEGER NOT NULL DEFAULT 0, right_version INTEGER NOT NULL DEFAULT 0"
    versions += ",\n    left_dial REAL NOT NULL DEFAULT 1, right_dial REAL NOT NULL DEFAULT 1"
    old = SCHEMA.replace(",\n    history TEXT NOT NULL DEFAULT '[]'" + versions, "")
    older = old.replace(",\n    margin REAL NOT NULL DEFAULT 0, criterion TEXT NOT NULL DEFAULT 'overall'", "")
    assert len({SCHEMA, old, older}) == 3
    with closing(sqlite3.connect(tmp_path / "preferences.db")) as connection:
        connection.executescript(older)
        values = ("Who?", "I.", "", 0, "He.", "", 0, "{}", "import", None, "2026-01-01T00:00:00Z")
        connection.execute(f"INSERT INTO pairs VALUES (7, {', '.join('?' * len(values))})", values)
        cast = ("old", 7, "Old", "right", 9, "", None, "2026-01-01T00:00:00Z")
        connection.execute(f"INSERT INTO votes VALUES (NULL, {', '.join('?' * len(cast))})", cast)
        connection.commit()
    votes = Votes(tmp_path / "preferences.db")
    votes.cast("k", 7, "Ann", "left", 1)
    given = [Preference("Who?", "I.", "He.", history=HISTORY), Preference("Who?", "I.", "He.")]
    assert votes.import_preferences(given, "Bob") == 2 and votes.import_preferences(given, "Bob") == 0
    early, *others = Votes(votes.path).standing()
    assert (early.annotator, early.choice, early.margin, early.criterion) == ("Old", "right", 0.0, OVERALL)
    assert [(v.pair.prompt, v.chosen.text, v.chosen.version, v.chosen.dial) for v in others] == [
        ("Who?", "I.", 0, 1)
    ] * 3
    assert Votes(votes.path).preferences(["Ann", "Bob"]) == [given[1], *given]
    assert votes.standing("Bob")[0].pair.prompt_text.startswith("System: Be brief.\n\nUser: Hm?")


# --- many at once ---------------------------------------------------------------------------------------------


def vote_on_all(path: Path, ids: list[int], name: str) -> None:
    """Every vote twice, in two windows that race, as an impatient person's."""
    votes = Votes(path)

    def window(order: list[int]) -> None:
        for id in order:
            votes.cast(f"{name}-{id}", id, name, random.choice(("left", "right")), 1)

    windows = [threading.Thread(target=window, args=(ids[::step],)) for step in (1, -1)]
    for thread in windows:
        thread.start()
    for thread in windows:
        thread.join()


def test_eight_windows_in_two_processes_a_thousand_votes(votes):
    ids = votes.add_pairs(pairs(250))
    processes = [mp.get_context("spawn").Process(target=two_annotators, args=(votes.path, ids, n)) for n in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    assert rows(votes, "votes") == 1000
    assert votes.annotators() == {f"annotator {n}": 250 for n in range(4)}


def two_annotators(path: Path, ids: list[int], number: int) -> None:
    names = [f"annotator {2 * number + n}" for n in range(2)]
    threads = [threading.Thread(target=vote_on_all, args=(path, ids, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_processes_that_begin_at_once_all_find_the_store(tmp_path):
    context = mp.get_context("fork" if os.name == "posix" else "spawn")
    for number, content in enumerate(
        (None, b"damaged" * 1000) * 5
    ):  # a new file, and one that all of them find damaged
        path = tmp_path / f"{number}.db"
        if content:
            path.write_bytes(content)
        begin = context.Event()
        processes = [context.Process(target=vote_when, args=(begin, path, n)) for n in range(6)]
        for process in processes:
            process.start()
        begin.set()
        for process in processes:
            process.join(60)
            assert process.exitcode == 0
        assert len(Votes(path).standing()) == 6
        assert len(list(tmp_path.glob(f"{path.name}.damaged-*"))) == (1 if content else 0)


def test_who_finds_a_damaged_file_that_another_is_mending_waits_for_it(votes, tmp_path):
    cast_all(votes, "lr")
    with closing(sqlite3.connect(votes.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path, opened = tmp_path / "other.db", []
    path.write_bytes(b"damaged" * 1000)
    with FileLock(tmp_path / ".other.db.lock"):
        thread = threading.Thread(target=lambda: opened.append(Votes(path)))
        thread.start()
        thread.join(0.3)
        path.write_bytes(votes.path.read_bytes())
    thread.join(30)
    assert opened[0].trouble == "" and len(opened[0].standing()) == 2


def vote_when(begin, path: Path, number: int) -> None:
    begin.wait()
    votes = Votes(path)
    votes.cast(str(number), votes.add_pairs(pairs(1))[0], "Ann", "left", 1)


def vote_and_say(path: Path, ids: list[int], said) -> None:
    votes = Votes(path)
    for id in ids:
        votes.cast(str(id), id, "Ann", "left", 1)
        os.write(said, f"{id}\n".encode())


@pytest.mark.fault(
    "who stores votes is killed",
    "every vote that was acknowledged is there",
)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_every_vote_that_was_acknowledged_survives_a_kill(votes):
    ids = votes.add_pairs(pairs(2000))
    read, write = os.pipe()
    process = mp.get_context("fork").Process(target=vote_and_say, args=(votes.path, ids, write))
    process.start()
    os.close(write)
    heard = b""
    while heard.count(b"\n") < 50:
        heard += os.read(read, 4096)
    process.kill()
    process.join()
    while more := os.read(read, 65536):
        heard += more
    acknowledged = {int(line) for line in heard.split(b"\n")[:-1]}
    kept = {vote.pair.id for vote in Votes(votes.path).standing()}
    assert acknowledged <= kept and len(kept) - len(acknowledged) <= 1 and len(kept) < 2000
    assert Votes(votes.path).trouble == ""


@pytest.mark.parametrize("content", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"\0" * 4096])
def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(content, tmp_path):
    path = tmp_path / "preferences.db"
    path.write_bytes(content)
    votes = Votes(path)
    assert (
        votes.trouble == "preferences.db was damaged: it is kept as preferences.db.damaged-1, and a new one was begun."
    )
    assert (tmp_path / "preferences.db.damaged-1").read_bytes() == content
    votes.cast("k", votes.add_pairs(pairs(1))[0], "Ann", "left", 1)
    assert len(Votes(path).standing()) == 1 and Votes(path).trouble == ""


def test_with_a_damaged_file_what_stood_in_its_log_alone_is_kept(votes, tmp_path):
    cast_all(votes, "lrl" * 100)
    with closing(sqlite3.connect(votes.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    votes.cast("late", votes.add_pairs(pairs(1))[0], "Ann", "left", 1, "said last of all")
    copy = tmp_path / "copy.db"  # as a kill leaves it
    content = bytearray(votes.path.read_bytes())
    content[4096 * 5 : 4096 * 6] = b"torn" * 1024
    copy.write_bytes(content)
    copy.with_name("copy.db-wal").write_bytes(votes.path.with_name("preferences.db-wal").read_bytes())
    assert b"said last of all" not in content
    with closing(sqlite3.connect(copy)) as other:  # as long as anyone has the file open, its log stays beside it
        other.execute("PRAGMA user_version").fetchone()
        assert Votes(copy).trouble.startswith("copy.db was damaged")
        assert b"said last of all" in b"".join(path.read_bytes() for path in tmp_path.glob("copy.db.damaged-1*"))


def test_a_truncated_file_is_damaged(votes, tmp_path):
    cast_all(votes, "lrl" * 100)
    with closing(sqlite3.connect(votes.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = votes.path.read_bytes()
    for size in (1000, 4096, len(whole) // 2, len(whole) - 100):
        path = tmp_path / f"{size}.db"
        path.write_bytes(whole[:size])
        assert f"{size}.db.damaged-1" in Votes(path).trouble
        assert path.with_name(f"{size}.db.damaged-1").read_bytes() == whole[:size]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not remove a file that is open")
def test_nothing_is_voted_into_a_file_that_was_removed(votes):
    cast_all(votes, "lr")
    votes.path.unlink()
    assert votes.standing() == []
    cast_all(votes, "l")
    assert len(Votes(votes.path).standing()) == len(votes.standing()) == 1


def test_on_a_full_disk_it_is_said_and_nothing_is_half_done(votes):
    cast_all(votes, "lr")
    pages = votes.connection().execute("PRAGMA page_count").fetchone()[0]
    votes.connection().execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ValueError, match=r"preferences\.db cannot be written: database or disk is full"):
        votes.add_pairs(pairs(1000))
    votes.connection().execute("PRAGMA max_page_count = 100000")
    assert rows(votes, "pairs") == 2 and len(cast_all(votes, "t")) == 3


# --- what votes say of who gave them --------------------------------------------------------------------------


def test_wilsons_interval_by_hand():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Brown, Cai & DasGupta 2001, and any calculator
    assert wilson(0, 5)[0] == pytest.approx(0) and wilson(5, 5)[1] == pytest.approx(1) and wilson(0, 0) == (0, 1)
    assert win_rate(3, 1, 2).share == pytest.approx(4 / 6)


def cast_all(votes: Votes, choices: str, annotator: str = "Ann", **kinds) -> list[Vote]:
    """One vote a letter: l, r, t for tie, b for both bad, s for skip."""
    names = {"l": "left", "r": "right", "t": "tie", "b": "bad", "s": "skip"}
    for id, letter in zip(votes.add_pairs(pairs(len(choices), **kinds)), choices, strict=True):
        votes.cast(f"{annotator}{id}", id, annotator, names[letter], 1)
    return votes.standing(annotator)


def test_habits_by_hand(votes):
    found = cast_all(votes, "lllrtbs")
    assert (position_bias(found).share, position_bias(found).count) == (0.75, 4)
    assert (length_bias(found).share, length_bias(found).count) == (0.25, 4)  # the right one is always longer


def test_agreement_with_oneself_is_about_answers_not_sides(votes):
    first = votes.add_pairs(pairs(4))
    swapped = [NewPair(p.prompt, p.right, p.left, {}, "label", p.id) for p in map(votes.pair, first)]
    again = votes.add_pairs(swapped)
    for ids, choices in ((first, ("left", "left", "tie", "skip")), (again, ("right", "left", "bad", "left"))):
        for id, choice in zip(ids, choices, strict=True):
            votes.cast(f"k{id}", id, "Ann", choice, 1)
    found = self_consistency(votes.standing())
    assert (found.share, found.count) == (pytest.approx(2 / 3), 3)


def test_kappa_against_scikit_learn(votes):
    ids = votes.add_pairs(pairs(60))
    chance = random.Random(0)
    said: dict[str, list[str]] = {"Ann": [], "Bob": []}
    for id in ids:
        first = chance.choice(("left", "right", "tie"))
        second = first if chance.random() < 0.6 else chance.choice(("left", "right", "tie"))
        for name, choice in (("Ann", first), ("Bob", second)):
            votes.cast(f"{name}{id}", id, name, choice, 1)
            said[name].append(choice)
    kappa, count = cohen_kappa(votes.standing("Ann"), votes.standing("Bob"))
    assert count == 60 and kappa == pytest.approx(cohen_kappa_score(said["Ann"], said["Bob"]))
    assert cohen_kappa(votes.standing("Ann"), votes.standing("nobody")) == (None, 0)


def test_wins_of_a_model_count_on_either_side(votes):
    cast_all(votes, "llrts", models=("x", "y"), source="compare")
    for id in votes.add_pairs(pairs(2, ("y", "x"), "compare")):
        votes.cast(f"z{id}", id, "Ann", "right", 1)
    found = model_wins(votes.standing(), "x", "y")
    assert found.count == 6 and found.share == pytest.approx((2 + 2 + 0.5) / 6)
    assert model_wins(votes.standing(), "y", "x").share == pytest.approx(1.5 / 6)


def test_the_command_line_lists_exports_and_imports(votes, tmp_path, capsys):
    from core.__main__ import main  # noqa: PLC0415 (the one test here that is about it)

    cast_all(votes, "lrt")
    db, file = ["--db", str(votes.path)], tmp_path / "votes.jsonl"
    assert main(["votes", "export", str(file), "--ties", *db]) == 0
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in (file, tmp_path / "votes-ties.jsonl")]
    assert lines == [2, 1]
    assert main(["votes", "import", str(file), *db]) == 0 and votes.annotators()["file: votes.jsonl"] == 2
    assert main(["votes", "export", *db]) == 1
    assert "needs a file" in capsys.readouterr().err
