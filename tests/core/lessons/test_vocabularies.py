"""What the lesson on tokens measures, beside vocabularies whose cuts are known."""

from pathlib import Path

import pytest

from core.lessons.vocabularies import beginnings, bytes_per_token, first_merges, number_cuts, python_code, spelling
from core.tokenizer import Tokenizer
from tests.conftest import SENTENCES


def test_a_text_is_spelled_by_its_tokens_and_numbers_are_counted_by_their_cuts(tokenizer: Tokenizer) -> None:
    assert b"".join(spelling(tokenizer, "Käfer 12")) == "Käfer 12".encode()
    assert number_cuts(Tokenizer.plain_bytes(), range(98, 102)) == {(1, 1): 2, (1, 1, 1): 2}


def test_a_vocabulary_grows_one_merge_after_the_other() -> None:
    whole = Tokenizer.train(SENTENCES, 320)
    assert bytes_per_token(first_merges(whole, 256), SENTENCES) == 1.0
    assert first_merges(whole, 290).digest == Tokenizer.train(SENTENCES, 290 + len(whole.special_tokens)).digest


def test_texts_are_taken_from_the_beginnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert beginnings(["abcd", "efgh"], 4) == "ab\nef"
    code = python_code(5000)
    assert len(code) == 5000 and "def " in code
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    (tmp_path / "short.py").write_text("pass\n")
    assert python_code(4) == "pass"
    with pytest.raises(ValueError, match="Python's library is not there as source files"):
        python_code(5000)
