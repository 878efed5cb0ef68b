"""Texts to learn from as people keep them: encodings, ends of lines, markers, directories, columns."""

import gzip
import json

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets import shakespeare
from core.datasets.text_files import Documents, read_documents

TEXT = "L'été, près de la côte.\nLe gardien écrit.\n" * 20
ENGLISH = "The keeper wrote.\nRain came.\n"
FORMS = {  # content, encoding, what is said of it
    "plain.txt": (TEXT.encode(), "utf-8", ""),
    "no ending": (TEXT.encode(), "utf-8", ""),
    "notepad.txt": (TEXT.encode("utf-8-sig"), "utf-8-sig", ""),
    "utf16.txt": (TEXT.encode("utf-16"), "utf-16", "read as utf-16"),
    "utf16 without a mark.txt": (TEXT.encode("utf-16-be"), "utf-16-be", "read as utf-16-be"),
    "latin.txt": (TEXT.encode("latin-1"), "latin-1", "charset-normalizer finds that likeliest"),
    "windows.txt": (TEXT.replace("\n", "\r\n").encode(), "utf-8", ""),
    "old mac.txt": (TEXT.replace("\n", "\r").encode(), "utf-8", "40 lines end with a carriage return alone"),
    "packed.txt.gz": (gzip.compress(TEXT.encode()), "utf-8", ""),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_text_is_the_same_however_it_was_written(name, tmp_path):
    content, encoding, said = FORMS[name]
    (tmp_path / name).write_bytes(content)
    found = read_documents(tmp_path / name)
    assert found.texts == [TEXT] and found.recognised.encoding == encoding
    assert said in "".join(found.recognised.sentences) and bool(said) == bool(found.recognised.sentences)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("灯塔看守人每天晚上记录天气。", "gb18030"),
        ("Latarnik zapisywał pogodę każdego wieczoru. ", "cp1250"),
    ],
)
def test_other_alphabets_are_told(text, encoding, tmp_path):
    written = text * 20
    (tmp_path / "a.txt").write_bytes(written.encode(encoding))
    assert read_documents(tmp_path / "a.txt").texts == [written]


def test_the_marker_ends_a_document_and_becomes_one_token(tmp_path, tokenizer):
    (tmp_path / "a.txt").write_text("One.<|endoftext|>Two\n<|endoftext|>\n  Three.\n<|endoftext|>\n")
    found = read_documents(tmp_path / "a.txt")
    assert found.texts == ["One.", "Two", "  Three."] and found.recognised.records == 3
    ids = tokenizer.encode_documents(shakespeare.load(str(tmp_path / "a.txt")).train)
    assert ids.count(tokenizer.eot) == 3  # the third is cut, its end held out


def test_each_file_of_a_directory_is_a_document_and_what_is_no_text_is_named(tmp_path):
    for number in range(3):
        (tmp_path / f"book{number}.txt").write_text(f"Book {number}.")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "more.jsonl").write_text('{"text": "Four."}\n{"text": ""}\n')
    (tmp_path / "cover.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    found = read_documents(tmp_path)
    assert found.texts == ["Book 0.", "Book 1.", "Book 2.", "Four."]
    assert found.recognised.sentences == [
        "more.jsonl: line 2: the text is empty",
        "file 4: cover.png is no text in any known encoding: save it as plain text in UTF-8",
    ]
    with pytest.raises(ValueError, match=r"holds no texts; give a directory"):
        (tmp_path / "empty").mkdir()
        read_documents(tmp_path / "empty")


def test_texts_are_taken_from_a_column(tmp_path):
    rows = [{"id": n, "story": f"Once {n}.", "title": "x"} for n in range(3)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read_documents(tmp_path / "a.jsonl").texts == ["Once 0.", "Once 1.", "Once 2."]
    assert read_documents(tmp_path / "a.jsonl", "title").texts == ["x"] * 3
    (tmp_path / "nameless").write_bytes((tmp_path / "a.jsonl").read_bytes())
    assert read_documents(tmp_path / "nameless").texts == ["Once 0.", "Once 1.", "Once 2."]
    with pytest.raises(ValueError, match=r"a\.jsonl has no column 'body': choose text_column among id, story, title"):
        read_documents(tmp_path / "a.jsonl", "body")
    (tmp_path / "a.csv").write_text("n,text\n1,Once.\n2,Twice.\n")
    assert read_documents(tmp_path / "a.csv").texts == ["Once.", "Twice."]
    (tmp_path / "verse.csv").write_text("Well, well\nno, no\n")  # no column of a table
    assert read_documents(tmp_path / "verse.csv").texts == ["Well, well\nno, no\n"]
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{\n{"text": "b"}\n')
    with pytest.raises(ValueError, match=r"bad\.jsonl, line 2: this is no JSON .*switch skip_bad_lines on"):
        read_documents(tmp_path / "bad.jsonl")
    assert read_documents(tmp_path / "bad.jsonl", skip_bad_lines=True).texts == ["a", "b"]
    with pytest.raises(ValueError, match="plain text and has no column 'text': leave text_column empty"):
        (tmp_path / "a.txt").write_text("a")
        read_documents(tmp_path / "a.txt", "text")


def test_parquet_has_texts_in_a_column(tmp_path):
    pandas.DataFrame({"text": ["a", "b"], "url": ["x", "y"]}).to_parquet(tmp_path / "a.parquet")
    assert read_documents(tmp_path / "a.parquet").texts == ["a", "b"]


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=9))
def test_of_few_documents_the_last_tenth_is_held_out(texts):
    learned, held_out = Documents("x", texts).split()
    whole = "".join(texts)
    assert "".join(learned) + "".join(held_out) == whole
    assert len("".join(learned)) == int(len(whole) * 0.9)


@given(st.lists(st.integers(0, 30), min_size=12, max_size=60).filter(lambda found: len(set(found)) >= 10))
def test_of_many_documents_whole_ones_are_held_out_and_no_repeat_is_learned(numbers):
    texts = [f"document {number:02}" for number in numbers]
    learned, held_out = Documents("x", texts).split()
    assert learned and held_out and not set(learned) & set(held_out)
    assert set(learned) | set(held_out) == set(texts) and len(held_out) == len(set(held_out))
