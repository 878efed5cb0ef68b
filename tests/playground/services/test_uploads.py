"""What a person gives to the page is kept by its content."""

from pathlib import Path

from playground.services.uploads import keep, kept


def given(directory: Path, name: str, content: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(content, encoding="utf-8")
    return path


def test_a_second_file_of_the_same_name_does_not_take_the_place_of_the_first(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = keep(given(tmp_path / "a", "train.csv", "one"), data)
    second = keep(given(tmp_path / "b", "train.csv", "two"), data)
    again = keep(given(tmp_path / "c", "train.csv", "one"), data)
    other = keep(given(tmp_path / "c", "mine.csv", "one"), data)
    assert (first.name, first.read_text(), second.name, second.read_text()) == ("train.csv", "one", "train.csv", "two")
    assert again == first and other != first
    labels = [label for label, _ in kept(data, [".csv"])]
    assert labels[0] == "mine.csv" and len(set(labels)) == 3 and all("train.csv (" in label for label in labels[1:])
    assert {path for _, path in kept(data, [".csv"])} == {str(path) for path in (first, second, other)}
    assert kept(data, [".txt"]) == [] == kept(tmp_path / "absent", [".csv"])


def test_what_an_older_version_has_kept_is_offered_and_what_belongs_to_others_is_not(tmp_path: Path) -> None:
    older = given(tmp_path, "train.csv", "three")
    given(tmp_path / "prompts", "theirs.csv", "four")
    assert kept(tmp_path, [".csv"]) == [("train.csv", str(older))]
    new = keep(given(tmp_path / "elsewhere", "train.csv", "one"), tmp_path)
    assert {path: label for label, path in kept(tmp_path, [".csv"])} == {
        str(older): "train.csv (older)",
        str(new): f"train.csv ({new.parent.name[:6]})",
    }
