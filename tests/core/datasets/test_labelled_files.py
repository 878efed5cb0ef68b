"""Labelled texts as people keep them in files: any separator, encoding and names of columns."""

import json
from collections import Counter

import pandas
import pytest

from core.datasets.labelled_files import SAME, Columns, read_columns, read_labelled

ROWS = [(f"Meet me at {n}, ok?", "ham") for n in range(8)] + [(f"WIN £{n} now; call", "spam") for n in range(4)]


def table(separator: str, header: tuple[str, str] | None, label_first: bool = False) -> str:
    """The rows; what holds a separator is in quotes, as programs write it, but between tabs nothing is."""
    lines = [*([header] if header else []), *((row[::-1] if label_first else row) for row in ROWS)]

    def quoted(cell: str) -> str:
        return f'"{cell}"' if separator in cell else cell

    return "".join(separator.join(map(quoted, line)) + "\n" for line in lines)


FILES = {
    "spam.tsv": table("\t", None, label_first=True).encode(),
    "SMSSpamCollection": table("\t", None, label_first=True).replace("ok?", 'ok? "yes').encode(),
    "comma.csv": table(",", ("text", "label")).encode("utf-8-sig"),
    "book.csv": table(",", ("Label", "Text"), label_first=True).replace("\n", "\r\n").encode(),
    "semicolon.csv": table(";", ("review", "sentiment")).encode(),
    "bar.txt": table("|", ("tweet", "target")).encode(),
    "excel.csv": table("\t", ("sentence", "class")).encode("utf-16"),
    "latin.csv": table(",", ("v1", "v2"), label_first=True).replace("\n", ",,,\n").encode("latin-1"),
    "other names.csv": table(",", ("mood", "utterance_x"), label_first=True).encode(),
    "lines.jsonl": "\n".join(json.dumps({"text": t, "label": x, "id": 7}) for t, x in ROWS).encode(),
    "list.json": json.dumps([{"Text": t, "Label": x} for t, x in ROWS]).encode(),
    "index.csv": ("id,text,label\n" + "".join(f'{n},"{t}",{x}\n' for n, (t, x) in enumerate(ROWS))).encode("cp1252"),
}


@pytest.mark.parametrize("name", FILES)
def test_texts_and_labels_are_found_in_every_kind_of_file(name, tmp_path):
    (tmp_path / name).write_bytes(FILES[name])
    found = read_labelled(tmp_path / name)
    assert [(text.replace(' "yes', ""), label) for text, label in found.rows] == ROWS
    assert found.recognised.records == len(ROWS)
    said = {"latin.csv": "latin-1", "index.csv": "latin-1", "excel.csv": "utf-16"}.get(name)
    assert [said in sentence for sentence in found.recognised.sentences] == [True] * (said is not None)


def test_parquet_has_its_missing_labels_and_whole_numbers(tmp_path):
    frame = pandas.DataFrame({"text": ["a", "b", "c"], "label": [0.0, 1.0, float("nan")]})
    frame.to_parquet(tmp_path / "a.parquet")
    found = read_labelled(tmp_path / "a.parquet", skip_bad_lines=True)
    assert found.rows == [("a", "0"), ("b", "1")] and found.recognised.sentences == ["line 3: the label is empty"]


def test_columns_are_chosen_by_name_or_number_and_two_make_one_text(tmp_path):
    news = tmp_path / "news.csv"
    news.write_text("Class Index,Title,Description\n3,Rain,It is wet.\n4,Sun,It is dry.\n")
    assert read_labelled(news).rows == [("Rain\nIt is wet.", "3"), ("Sun\nIt is dry.", "4")]
    assert read_labelled(news, Columns(text="title")).rows == [("Rain", "3"), ("Sun", "4")]
    assert read_labelled(news, Columns(" description + title ")).rows[0] == ("It is wet.\nRain", "3")
    with pytest.raises(
        ValueError, match=r"news\.csv has no column 'body': choose among Class Index, Title, Description"
    ):
        read_labelled(news, Columns(text="body"))
    plain = tmp_path / "plain.csv"
    plain.write_text("0,17,me,a tweet\n4,18,you,a song\n4,19,me,a word\n")
    assert read_labelled(plain, Columns("4", "1")).rows == [("a tweet", "0"), ("a song", "4"), ("a word", "4")]
    assert read_columns(plain) == ["1", "2", "3", "4"] and read_columns(news) == ["Class Index", "Title", "Description"]
    assert read_columns(tmp_path / "none.csv") == []
    with pytest.raises(ValueError, match=r"choose text_column and label_column among its columns 1, 2, 3, 4"):
        read_labelled(plain)


def test_spellings_of_a_label_are_one_class_and_a_missing_label_is_none(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "a,spam\nb,Spam\nc,spam \nd,SPAM\ne,ham\nf,nan\ng,\nh,none\n")
    with pytest.raises(ValueError, match=r"a\.csv, line 7: the label is empty \(and 1 more of 8\); correct it"):
        read_labelled(path)
    found = read_labelled(path, skip_bad_lines=True)
    assert Counter(label for _, label in found.rows) == {"spam": 4, "ham": 1, "none": 1}
    assert found.recognised.sentences == [
        "the labels 'spam', 'Spam', 'SPAM' are taken as one, 'spam'",
        "line 7: the label is empty",
        "line 8: the label is empty",
    ]


GOOD = "text,label\n" + "".join(f'"{word}, number {n}",{word}\n' for word in ("yes", "no") for n in range(10))
BAD = {
    "empty_text": ("  ,yes\n", "line 22: the text is empty"),
    "empty_label": ("word,\n", "line 22: the label is empty"),
    "a_column_too_many": ("well, well,yes\n", "line 22: it has 3 columns instead of 2"),
    "a_quote_that_does_not_end": ('"well,yes\n', "line 22: it cannot be read as a table"),
    "a_text_with_two_labels": ('"no, number 3",yes\n', "line 22: its text stands further up with another label, 'no'"),
}


@pytest.mark.parametrize(("line", "sentence"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("behind", ["", 'one more,yes\n"and, more",no\n'])
def test_a_bad_line_is_named_and_never_hides_the_others(line, sentence, behind, tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text(GOOD + line + behind)
    with pytest.raises(ValueError, match=rf"^texts\.csv, {sentence}.*; correct it, or switch skip_bad_lines on"):
        read_labelled(path)
    found = read_labelled(path, skip_bad_lines=True)
    assert len(found.rows) == 20 + behind.count("\n") and len(found.recognised.left_out) == 1


def test_a_text_that_is_there_twice_counts_once_and_quoted_texts_keep_their_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"two\nlines",a\nother,b\n"two\nlines",a\n')
    found = read_labelled(path)
    assert found.rows == [("two\nlines", "a"), ("other", "b")]
    assert found.recognised.sentences == [f"line 5: {SAME}"]


def test_cells_below_no_name_are_counted(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("v1,v2,,\nham,Hi,,\nspam,WIN,more,\n")
    assert read_labelled(path).recognised.sentences == [
        "1 rows have cells in columns without a name, which are not read"
    ]
