"""Starting the playground when it cannot be started."""

import os
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import httpx
import pytest
import torch
from gradio.queueing import Queue

from playground import __main__ as started
from playground.__main__ import main, private_directory, refuse_taken_port, spare_own_address
from playground.services.services import Services
from tests.conftest import free_port


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


def test_a_page_at_rest_leaves_the_processor_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [0]

    def length(queue: Queue) -> int:
        looks[0] += 1
        return 0

    monkeypatch.setattr(Queue, "__len__", length)
    services = Services.open(tmp_path, torch.device("cpu"))
    blocks = started.launch(services, "127.0.0.1", free_port(), browser=False, wait=False)
    time.sleep(0.5)
    blocks.close()
    assert 0 < looks[0] < 100, "of Gradio whether an event waits; in half a second some 400 as it comes"


PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")


@pytest.mark.fault(
    "the environment names a proxy",
    "the page is reached without it; huggingface.co through it",
)
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
@pytest.mark.parametrize("known", ["", "example.org"])
def test_its_own_address_never_goes_through_a_proxy_and_the_hub_does(
    proxy: str, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, known)
    spare_own_address("192.168.1.5")
    assert all(urllib.request.proxy_bypass(host) for host in ("127.0.0.1", "localhost", "192.168.1.5"))
    assert not urllib.request.proxy_bypass("huggingface.co")
    assert bool(urllib.request.proxy_bypass("example.org")) == bool(known)
    with socket.socket() as server, httpx.Client() as client:  # it is made with a SOCKS proxy in the environment
        server.bind(("127.0.0.1", 0))
        with pytest.raises(httpx.ConnectError):  # refused by the address itself, not by a proxy at port 9
            client.get(f"http://127.0.0.1:{server.getsockname()[1]}/")
        used = client._transport_for_url(httpx.URL("http://127.0.0.1:7860"))
        assert used is client._transport
        assert client._transport_for_url(httpx.URL("http://huggingface.co")) is not client._transport


def test_a_port_is_looked_for_at_an_address_of_any_kind(capsys: pytest.CaptureFixture[str]) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        other.listen()
        with pytest.raises(ValueError, match="cannot be used"):
            refuse_taken_port("::1", other.getsockname()[1])
    with pytest.raises(ValueError, match="is no address of this machine"):
        refuse_taken_port("no.such.host.invalid", 7860)


def test_what_is_sent_lies_where_no_other_user_looks_and_goes_with_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    registered = []
    monkeypatch.setattr(started.atexit, "register", lambda *call, **options: registered.append((call, options)))
    left = tmp_path / "gpt-playground-left"
    (left / "deep").mkdir(parents=True)
    one, other = Path(private_directory()), Path(private_directory())
    assert one != other and one.is_dir(), "that of a living process stays"
    assert not left.exists(), "that of one that was killed goes"
    assert stat.S_IMODE(one.stat().st_mode) == 0o700
    for (function, *arguments), options in reversed(registered):
        function(*arguments, **options)
    assert os.listdir(tmp_path) == []


def test_no_file_beside_a_person_is_taken_for_a_module(tmp_path: Path) -> None:
    """A module of the page that imports little stands for the page, which is found in the same way."""
    for name in ("inspect.py", "functools.py", "typing.py"):
        (tmp_path / name).write_text("raise SystemExit('this is not a module of the standard library')", "utf-8")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "playground.argument_types"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
