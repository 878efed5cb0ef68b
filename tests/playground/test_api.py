"""What programs may ask of a running playground, through Gradio's own client."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from gradio_client import Client

from core import checkpoint
from core.checkpoint import Card
from core.conversation import Conversation, Message, generate_reply
from core.generate import Sampling
from core.model import GPT, GPTConfig
from core.preferences.vote_store import FILE, Votes
from core.training.run_directory import Run, Status
from playground.__main__ import launch
from playground.services.services import Services
from tests.conftest import free_port


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, tokenizer) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    torch.manual_seed(0)
    model = GPT(GPTConfig(n_layer=2, n_head=2, n_embd=32, block_size=64, vocab_size=300))
    checkpoint.save(directory / "one", model, tokenizer, Card("sft"))
    return directory


@pytest.fixture(scope="module")
def served(workspace: Path) -> Iterator[tuple[Any, Client]]:
    port = free_port()
    blocks = launch(Services.open(workspace, torch.device("cpu")), "127.0.0.1", port, browser=False, wait=False)
    yield blocks, Client(f"http://127.0.0.1:{port}", verbose=False)
    blocks.close()


@pytest.fixture
def client(served: tuple[Any, Client]) -> Client:
    return served[1]


def test_every_endpoint_has_a_name_of_its_own_and_says_what_it_does(served: tuple[Any, Client]) -> None:
    blocks, client = served
    offered = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    names = ["models", "tokens", "attention", "chat", "train", "training", "stop", "queue", "change_queue", "vote"]
    assert sorted(offered) == sorted(f"/{name}" for name in names)
    for event in blocks.config["dependencies"]:
        if event["api_visibility"] == "public":
            assert len(event["api_description"]) > 30 and event["api_description"].endswith("."), event["api_name"]
        else:
            assert event["api_name"] is False or not re.fullmatch(r"lambda(_\d+)?", str(event["api_name"]))
    assert not client.view_api(return_format="dict", print_info=False)["unnamed_endpoints"]


def test_a_program_reads_tokens_attention_and_models(client: Client, tokenizer) -> None:
    tokens = client.predict("To be 🙂", "one", api_name="/tokens")
    assert [token["id"] for token in tokens] == tokenizer.encode("To be 🙂")
    weights = torch.tensor(client.predict("one", "To be", api_name="/attention"))
    T = len(tokenizer.encode("To be"))
    assert weights.shape == (2, 2, T, T) and torch.allclose(weights.sum(-1), torch.ones(2, 2, T), atol=1e-5)
    (found,) = client.predict(api_name="/models")
    assert (found["name"], found["kind"]) == ("one", "chat model")


def test_a_program_chats_as_the_page_does(client: Client, workspace: Path) -> None:
    loaded = checkpoint.load(workspace / "one")
    asked = Conversation((Message("user", "Ay?"), Message("assistant", "No."), Message("user", "Why?")))
    expected = "".join(
        s.text for s in generate_reply(loaded.model, loaded.tokenizer, asked, Sampling(max_new_tokens=9, seed=4))
    )
    history = [{"role": "user", "content": "Ay?"}, {"role": "assistant", "content": "No."}]
    job = client.submit(model="one", line="Why?", history=history, max_new_tokens=9, seed=4, api_name="/chat")
    assert job.result() == expected and len(job.outputs()) > 1
    with pytest.raises(Exception, match="Write a line first"):
        client.predict("one", "", api_name="/chat")
    with pytest.raises(Exception, match="<one> is not there any more"):  # as text, not as markup
        client.predict("<one>", "Ay?", api_name="/chat")
    with pytest.raises(Exception, match="is not there any more"):
        client.predict("../one", "Ay?", api_name="/chat")
    for history in ("x", [{"role": "user"}], [{"role": "king", "content": "Ay?"}]):
        with pytest.raises(Exception, match="History must be"):
            client.predict("one", "Ay?", history, api_name="/chat")


def test_the_server_of_openais_protocol_is_off_unless_asked_for(client: Client) -> None:
    assert httpx.get(f"{client.src}v1/models").status_code == 404


@pytest.mark.slow
def test_a_program_trains_and_votes(client: Client, workspace: Path) -> None:
    shape = {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 16, "vocab_size": 300, "corpus": "shakespeare-1mb"}
    fit = {"max_steps": 4, "warmup_steps": 1, "batch_size": 2, "eval_interval": 2000, "device": "cpu"}
    assert client.predict("mine", "pretrain", shape | fit, api_name="/train") == "mine"
    for _ in range(600):
        told = client.predict("mine", api_name="/training")
        if told["state"] in ("finished", "failed"):
            break
    assert (told["state"], told["metrics"]["step"]) == ("finished", 4) and Run(workspace / "mine").status().step == 4
    with pytest.raises(Exception, match="max_steps must be"):
        client.predict("other", "pretrain", {"max_steps": 0}, api_name="/train")
    first = client.predict("To be?", "Ay.", "No.", "ann", "key-1", api_name="/vote")
    assert client.predict("To be?", "Ay.", "No.", "ann", "key-1", api_name="/vote") == first
    pairs = Votes(workspace / FILE).connection().execute("SELECT count(*) FROM pairs")
    assert pairs.fetchone() == (1,), "no pair is left without a vote"


def test_a_program_sees_the_queue_and_changes_it(client: Client, workspace: Path) -> None:
    holder = Run.create(workspace / "holder", "pretrain", {})
    with holder.hold("cpu"):
        holder.write_status(Status("running", device="cpu"))
        for name in ("next", "later"):
            settings = {"device": "cpu", "max_steps": 9, "warmup_steps": 1}
            assert client.predict(name, "pretrain", settings, api_name="/train") == name
        queue = client.predict(api_name="/queue")
        assert queue[0] == {"name": "next", "kind": "device", "why": "the cpu is held by holder", "asks": False}
        assert client.predict("next", api_name="/training")["message"] == "waits: the cpu is held by holder"
        moved = client.predict("later", "up", api_name="/change_queue")
        assert [waits["name"] for waits in moved] == ["later", "next"]
        with pytest.raises(Exception, match="Action must be one of up, down, remove, fit, anyway"):
            client.predict("later", "begin", api_name="/change_queue")
        client.predict("later", "remove", api_name="/change_queue")
        assert client.predict("next", api_name="/stop") == "next" and client.predict(api_name="/queue") == []
