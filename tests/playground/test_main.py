"""Starting the playground when it cannot be started."""

import socket
from pathlib import Path

import pytest

from playground.__main__ import main


def test_a_port_in_use_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["--port", str(port), "--no-browser", "--checkpoints", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: port {port} cannot be used") and "--port" in error and error.count("\n") == 1


def test_a_file_where_the_checkpoints_should_be_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--port", "65000", "--no-browser", "--checkpoints", str(tmp_path / "file")]) == 1
    error = capsys.readouterr().err
    assert "file" in error and error.count("\n") == 1


def test_a_page_without_a_password_is_not_opened_to_the_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "0.0.0.0", "--no-browser"]) == 1
    assert "give --auth NAME:PASSWORD as well" in capsys.readouterr().err


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(
        flag in text for flag in ("--port", "--host", "--auth", "--no-browser", "--checkpoints", "--device", "--api")
    )
