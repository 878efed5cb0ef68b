"""Several directories of models: one's own is changed, the others are only read, and a name means one model."""

from pathlib import Path

import pytest

from core import checkpoint, roots
from core.checkpoint import Card
from core.roots import Roots, default_directory, find_model
from core.workspace import Workspace


def test_a_model_is_found_by_its_path_or_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for directory in ("checkpoints/mine", "mine-too", "package/checkpoints/bard"):
        (tmp_path / directory).mkdir(parents=True)
    monkeypatch.setattr(roots, "CORE", tmp_path / "package")
    found = [find_model(text) for text in ("mine", "mine-too", "bard", "elsewhere/bard", "none")]
    assert found == [
        *(Path("checkpoints/mine"), Path("mine-too"), tmp_path / "package" / "checkpoints" / "bard"),
        *(Path("elsewhere/bard"), Path("checkpoints/none")),
    ]


@pytest.fixture
def workspace(tmp_path: Path, model, tokenizer) -> Workspace:
    """Own: mine, same. A teacher's: same, lesson. A third root, which is not there."""
    for place, names in {"own": ("mine", "same"), "teacher": ("same", "lesson")}.items():
        for name in names:
            checkpoint.save(tmp_path / place / name, model, tokenizer, Card("pretrain"))
    return Workspace(tmp_path / "own", [tmp_path / "teacher", tmp_path / "gone"])


def everything(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_a_name_means_the_first_of_its_models_and_the_others_are_told(workspace: Workspace, tmp_path: Path) -> None:
    found = {entry.name: entry.read_only for entry in workspace.entries()}
    assert found == {"mine": "", "same": "", "lesson": str(tmp_path / "teacher")}
    assert workspace.roots.clashes() == [tmp_path / "teacher" / "same"]
    assert workspace.path("same") == tmp_path / "own" / "same"
    assert workspace.entry("lesson").read_only and workspace.path("lesson") == tmp_path / "teacher" / "lesson"


def test_nothing_in_a_read_only_directory_is_changed(workspace: Workspace, tmp_path: Path) -> None:
    before = everything(tmp_path / "teacher")
    with pytest.raises(ValueError, match=r"lesson is read-only, as it lies in .*teacher"):
        workspace.rename("lesson", "other")
    with pytest.raises(ValueError, match="lesson is read-only"):
        workspace.throw_away("lesson")
    workspace.disk()
    assert everything(tmp_path / "teacher") == before


def test_a_read_only_name_is_taken(workspace: Workspace) -> None:
    for name in ("lesson", "LESSON"):
        with pytest.raises(ValueError, match=r"already something called (lesson|LESSON), read-only in"):
            workspace.rename("mine", name)
    id = workspace.throw_away("same")
    with pytest.raises(ValueError, match="already something called same, read-only"):
        workspace.restore(id)


def test_a_directory_is_not_its_own_read_only_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    found = Roots(tmp_path / "a", (tmp_path / "a" / ".." / "a", tmp_path, tmp_path / "a" / ".."))
    assert found.read_only == (tmp_path,)


def test_models_live_here_in_the_clone_or_with_the_users_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert default_directory() == roots.CORE.parent / "checkpoints"  # the tests run in a clone
    monkeypatch.setattr(roots, "CORE", tmp_path / "site-packages" / "core")
    assert default_directory().parts[-2:] == ("gpt-playground", "checkpoints")
    (tmp_path / "checkpoints").mkdir()
    assert default_directory() == Path("checkpoints")


def test_shipped_models_lie_in_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert roots.shipped_models() == () and roots.shipped("bard-base") == str(Path("checkpoints", "bard-base"))
    (tmp_path / "checkpoints").mkdir()
    monkeypatch.setattr(roots, "CORE", tmp_path)
    assert roots.shipped_models() == (tmp_path / "checkpoints",)
    assert roots.shipped("bard-base") == str(tmp_path / "checkpoints" / "bard-base")
