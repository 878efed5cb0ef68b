"""The OpenAI-compatible server, asked by OpenAI's own client."""

import math
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch

from core import checkpoint
from core.checkpoint import Card
from core.conversation import Conversation, Message, generate_reply
from core.generate import Sampling, stream_text
from core.model import GPT, GPTConfig
from playground.__main__ import launch, main
from playground.openai_api import server
from playground.openai_api.pieces import pieces
from playground.openai_api.requests import Fields
from playground.services.services import Services
from tests.conftest import free_port

TOKEN, AUTH = "a-token-of-tests", "me:password"
AS_OPENAI = {"temperature": 1.0, "top_p": 1.0}  # where a request says nothing
TURNS: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who goes there?"}]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, tokenizer) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    torch.manual_seed(0)
    model = GPT(GPTConfig(n_layer=1, n_head=2, n_embd=32, block_size=64, vocab_size=300))
    checkpoint.save(directory / "base", model, tokenizer, Card("pretrain"))
    checkpoint.save(directory / "chat", model, tokenizer, Card("sft"))
    return directory


@pytest.fixture(scope="module")
def url(workspace: Path) -> Iterator[str]:
    port = free_port()
    services = Services.open(workspace, torch.device("cpu"))
    blocks = launch(services, "127.0.0.1", port, browser=False, wait=False, auth=AUTH, api_token=TOKEN)
    yield f"http://127.0.0.1:{port}"
    blocks.close()


@pytest.fixture(scope="module")
def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0, timeout=60)


@pytest.fixture
def steps(workspace: Path) -> Callable[..., list[Any]]:
    """What a model writes to a prompt, or in a chat, with a sampling."""
    loaded = checkpoint.load(workspace / "base")

    def write(prompt: str | Conversation, **sampling: Any) -> list[Any]:
        drawn = Sampling(**(AS_OPENAI | sampling))
        if isinstance(prompt, Conversation):
            return list(generate_reply(loaded.model, loaded.tokenizer, prompt, drawn))
        return list(stream_text(loaded.model, loaded.tokenizer, loaded.tokenizer.encode(prompt), drawn))

    return write


def text_of(steps: list[Any]) -> str:
    return "".join(step.text for step in steps)


def test_the_models_that_write_are_listed(client: openai.OpenAI, workspace: Path) -> None:
    assert {model.id for model in client.models.list()} == {"base", "chat"}
    changed = (workspace / "base" / "model.safetensors").stat().st_mtime
    assert client.models.retrieve("base").created == int(changed)
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("../base")
    assert isinstance(missing.value.body, dict) and missing.value.body["code"] in ("model_not_found", "unknown_url")


def test_a_completion_is_what_the_model_writes_with_that_seed(client: openai.OpenAI, steps, tokenizer) -> None:
    answer = client.completions.create(model="base", prompt="To be", max_tokens=9, seed=5)
    expected = steps("To be", max_new_tokens=9, seed=5)
    assert answer.choices[0].text == text_of(expected) and answer.choices[0].finish_reason == "length"
    read = len(tokenizer.encode("To be"))
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (read, 9)
    assert answer.usage.total_tokens == read + 9
    streamed = client.completions.create(model="base", prompt="To be", max_tokens=9, seed=5, stream=True)
    parts = [chunk.choices[0] for chunk in streamed]
    assert "".join(part.text for part in parts) == text_of(expected) and len(parts) > 3
    assert [part.finish_reason for part in parts] == [None] * (len(parts) - 1) + ["length"]


def test_a_chat_is_what_the_page_answers(client: openai.OpenAI, steps) -> None:
    asked = Conversation((Message("user", "Who goes there?"),), system="Be brief.")
    expected = text_of(steps(asked, max_new_tokens=9, seed=3, temperature=0.7, top_k=50))
    wish: Any = {"max_completion_tokens": 9, "seed": 3, "temperature": 0.7, "extra_body": {"top_k": 50}}
    answer = client.chat.completions.create(model="chat", messages=TURNS, **wish)
    assert answer.choices[0].message.content == expected and answer.choices[0].message.role == "assistant"
    stream = client.chat.completions.create(
        model="chat", messages=TURNS, stream=True, stream_options={"include_usage": True}, **wish
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == expected
    assert not chunks[-1].choices and chunks[-1].usage == answer.usage
    assert chunks[-2].choices[0].finish_reason == answer.choices[0].finish_reason


def test_a_model_that_continues_texts_goes_on_with_the_scene(client: openai.OpenAI, steps) -> None:
    asked = Conversation((Message("user", "Who goes there?"),), answers=False)
    answer = client.chat.completions.create(model="base", messages=TURNS[1:], max_tokens=7, seed=2)
    assert answer.choices[0].message.content == text_of(steps(asked, max_new_tokens=7, seed=2))


def test_logprobs_are_the_models_own(client: openai.OpenAI, steps, tokenizer) -> None:
    expected = steps("To be", max_new_tokens=6, seed=1)
    older = (
        client.completions.create(model="base", prompt="To be", max_tokens=6, seed=1, logprobs=3).choices[0].logprobs
    )
    assert older and older.token_logprobs and older.top_logprobs and older.text_offset
    assert older.token_logprobs == pytest.approx([math.log(step.probability) for step in expected], abs=1e-4)
    assert [len(top) for top in older.top_logprobs] == [3] * 6
    assert older.text_offset == [len(text_of(expected[:i])) for i in range(6)]
    asked = Conversation((Message("user", "Ay?"),))
    first = steps(asked, max_new_tokens=1, seed=1)[0]
    answer = client.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": "Ay?"}],
        max_tokens=1,
        seed=1,
        logprobs=True,
        top_logprobs=20,
    )
    assert answer.choices[0].logprobs and answer.choices[0].logprobs.content
    (token,) = answer.choices[0].logprobs.content
    assert token.bytes == list(tokenizer.token_bytes(first.id)) and len(token.top_logprobs) == 20
    assert token.logprob == pytest.approx(math.log(first.probability), abs=1e-4)
    assert [top.bytes for top in token.top_logprobs[:5]] == [
        list(tokenizer.token_bytes(id)) for id, _ in first.alternatives
    ]


def test_it_stops_before_a_stop_sequence_streamed_or_not(client: openai.OpenAI, steps) -> None:
    text = text_of(steps("To be", max_new_tokens=30, seed=8))
    stop = text[9:13]  # over the borders of tokens
    wish: Any = {"model": "base", "prompt": "To be", "max_tokens": 30, "seed": 8, "stop": ["never there", stop]}
    answer = client.completions.create(**wish).choices[0]
    assert answer.text == text[: text.index(stop)] and answer.finish_reason == "stop"
    parts = [chunk.choices[0] for chunk in client.completions.create(stream=True, **wish)]
    assert "".join(part.text for part in parts) == answer.text and parts[-1].finish_reason == "stop"


def test_text_is_held_back_only_while_a_stop_sequence_may_begin_in_it(steps) -> None:
    written = steps("To be", max_new_tokens=30, seed=8)
    text = text_of(written)
    for stop in (text[5:8], text[-3:], "漢漢", text[3] + "漢漢"):
        found = list(pieces(iter(written), [stop], 30))
        assert "".join(piece.text for piece in found) == text.partition(stop)[0]
        assert found[-1].end == ("stop" if stop in text else "length")
        if stop == "漢漢":
            assert len(found) == 31 and all(len(piece.steps) == 1 for piece in found[:-1])


def test_several_prompts_are_several_choices_each_with_its_seed(client: openai.OpenAI, steps, tokenizer) -> None:
    prompts = [tokenizer.encode("To be"), tokenizer.encode("If music")]
    answer = client.completions.create(model="base", prompt=prompts, max_tokens=5, seed=5)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[1].text == text_of(steps("If music", max_new_tokens=5, seed=6))
    assert answer.usage and answer.usage.completion_tokens == 10
    assert client.completions.create(model="base", prompt="", max_tokens=1).usage.prompt_tokens == 1  # type: ignore[union-attr]


# --- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "param", "words"),
    [
        ({"n": 2}, "n", "not supported here"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "not supported here"),
        ({"extra_body": {"colour": "red"}}, "colour", "unknown field"),
        ({"temperature": -1}, None, "temperature must be between 0 and 5"),
        ({"max_tokens": 0}, None, "max_tokens must be"),
        ({"messages": []}, "messages", "nothing that was said"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]", "the role must be"),
        ({"messages": [*TURNS, TURNS[0]]}, "messages[2]", "must come before"),
        ({"messages": [{"role": "user", "content": "To be " * 60}]}, "messages", "context of chat holds 64"),
        ({"stop": [""]}, "stop", "none of them empty"),
        ({"top_logprobs": 2}, "top_logprobs", "needs logprobs: true"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "between 0 and 20"),
        ({"seed": "one"}, "seed", "must be of type int"),
        ({"extra_body": {"top_k": 301}, "stream": True}, None, "top_k must be at most"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said_and_names_the_field(client: openai.OpenAI, changes, param, words) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(**({"model": "chat", "messages": TURNS} | changes))
    assert words in error.value.message and error.value.param == param
    assert isinstance(error.value.body, dict) and error.value.body["type"] == "invalid_request_error"


def test_values_that_ask_for_nothing_are_taken(client: openai.OpenAI) -> None:
    neutral: Any = {"n": 1, "presence_penalty": 0, "user": "me", "tools": [], "stream_options": None, "logit_bias": {}}
    assert client.chat.completions.create(model="chat", messages=TURNS, max_tokens=1, **neutral).choices
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "Ay?"}]}]
    assert client.chat.completions.create(model="chat", messages=parts, max_tokens=1).choices


def test_only_the_token_opens_it_and_only_from_the_playgrounds_own_address(url: str) -> None:
    wrong = openai.OpenAI(base_url=f"{url}/v1", api_key="another", max_retries=0)
    with pytest.raises(openai.AuthenticationError, match="wrong or missing API key"):
        wrong.models.list()
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{url}/v1/models", headers=right).status_code == 200
    assert httpx.get(f"{url}/v1/models", auth=("me", "password")).status_code == 401
    assert httpx.get(f"{url}/config", headers=right).status_code == 401  # the page has its own password
    assert httpx.get(f"{url}/v1/models", headers=right | {"Origin": "http://evil.test"}).status_code == 403
    assert httpx.get(f"{url}/v1/models", headers=right | {"Host": "evil.test"}).status_code == 400


def test_errors_are_openais_wherever_they_come_from(url: str) -> None:
    right = {"Authorization": f"Bearer {TOKEN}"}
    for method, path, content, status, code in (
        ("GET", "/v1/nothing", b"", 404, "unknown_url"),
        ("GET", "/v1/completions", b"", 405, "unknown_url"),
        ("POST", "/v1/completions", b"{", 400, "invalid_json"),
        ("POST", "/v1/completions", b"[" * 100_000, 400, "invalid_json"),
        ("POST", "/v1/completions", b" " * (server.MOST_BYTES + 1), 413, "request_too_large"),
        ("POST", "/v1/completions", b"[]", 400, None),
        ("POST", "/v1/completions", b'{"prompt": "x"}', 400, "missing_required_parameter"),
        ("POST", "/v1/completions", b'{"prompt": "x", "model": "none"}', 404, "model_not_found"),
        ("POST", "/v1/completions", b'{"prompt": [999], "model": "base"}', 400, None),
    ):
        answer = httpx.request(method, url + path, headers=right, content=content)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code) and error["message"], (path, content[:40])


def test_a_true_or_false_is_no_number() -> None:
    with pytest.raises(server.ApiError, match="seed must be of type int"):
        Fields({"seed": True}).take("seed", int)


# --- one after the other ----------------------------------------------------------------------------------------


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Which requests, by their number of tokens at most, have drawn a token, in order."""
    noted: list[int] = []
    original = server.stream_text

    def counted(model: Any, tokenizer: Any, ids: Any, sampling: Sampling, **options: Any) -> Iterator[Any]:
        for step in original(model, tokenizer, ids, sampling, **options):
            noted.append(sampling.max_new_tokens)
            yield step

    monkeypatch.setattr(server, "stream_text", counted)
    return noted


def test_who_hangs_up_is_written_for_no_longer_and_the_next_one_is(client: openai.OpenAI, drawn: list[int]) -> None:
    surest: Any = {"model": "base", "prompt": "To be", "extra_body": {"min_p": 1.0}}  # so none ends by chance
    for is_streamed in (True, False):
        drawn.clear()
        if is_streamed:
            with client.completions.create(stream=True, max_tokens=100_000, **surest) as stream:
                assert len(list(islice(stream, 3))) == 3
        else:
            with pytest.raises(openai.APITimeoutError):
                client.with_options(timeout=0.3).completions.create(max_tokens=100_000, **surest)
        assert client.completions.create(max_tokens=4, **surest).choices
        assert drawn[-4:] == [4] * 4 and 3 < len(drawn) < 50_000


def test_answers_are_written_one_after_the_other(client: openai.OpenAI, drawn: list[int]) -> None:
    def ask(most: int) -> None:
        client.completions.create(model="base", prompt="To be", max_tokens=most, extra_body={"min_p": 1.0})

    threads = [threading.Thread(target=ask, args=(most,)) for most in (40, 41, 42)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = [most for i, most in enumerate(drawn) if i == 0 or drawn[i - 1] != most]
    assert sorted(runs) == [40, 41, 42]  # never one within another


def test_a_queue_that_is_full_refuses(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_WAITING", 0)
    with pytest.raises(openai.RateLimitError, match="are waiting already"):
        client.completions.create(model="base", prompt="To be")


# --- how it is started ------------------------------------------------------------------------------------------


def test_a_token_that_anybody_guesses_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--no-browser", "--checkpoints", str(tmp_path), "--api", "--api-token", "short"]) == 1
    assert "--api-token must have at least 8" in capsys.readouterr().err
