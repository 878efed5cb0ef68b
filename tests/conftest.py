"""A small vocabulary, small models and a small text, shared by the tests."""

import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from core.model import GPT, GPTConfig
from core.tokenizer import Tokenizer

# What is imported stays: nobody needs to look through it again and again for what could go.
gc.disable()

settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

# Tiny models compute fastest on one thread, above all on a machine that is busy with something else.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # the same for the processes that tests start

SENTENCES = """Tomorrow, and tomorrow, and tomorrow, creeps in this petty pace from day to day.
To be, or not to be: that is the question: whether 'tis nobler in the mind to suffer.
Was ist der Käfer, fragte die Häsin; 漢字 and a 🙂 were not in the play, he said.
If music be the food of love, play on; give me excess of it, that, surfeiting, we'll die.
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each worker gets its part of the list: it begins with what takes long, and ends with what takes little.

    So none is left alone with a long one at the end. What takes long is dealt out by modules, whose tests share what is
    made for them; the longest one by one.
    """
    hands: list[list[pytest.Item]] = [[] for _ in range(getattr(config, "workerinput", {}).get("workercount", 1))]
    modules: dict[Path, list[pytest.Item]] = {}
    rest = []
    for item in items:
        if item.get_closest_marker("longest"):
            min(hands, key=len).append(item)
        elif item.get_closest_marker("slow") or "ui" in item.path.parts:
            modules.setdefault(item.path, []).append(item)
        else:
            rest.append(item)
    for tests in modules.values():
        min(hands, key=len).extend(tests)
    items[:] = []
    for workers, hand in zip(range(len(hands), 0, -1), hands, strict=True):  # as pytest-xdist cuts the list
        fair = (len(rest) + sum(map(len, hands[-workers:]))) // workers
        cut = max(0, fair - len(hand))
        items += [*hand, *rest[:cut]]
        del rest[:cut]
    items += rest


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """300 tokens: not a multiple of 64, so models made for it have padding rows."""
    return Tokenizer.train(SENTENCES, 300)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., GPT]:
    """`make_model(**changes)`: a tiny model whose weights are far larger than at birth, so that its predictions and
    its attention are far from uniform and an error shows. Equal arguments give equal weights."""

    def make(std: float = 0.3, **changes: object) -> GPT:
        shape = dict(n_layer=2, n_head=2, n_embd=32, block_size=16, vocab_size=300) | changes
        model = GPT(GPTConfig(**shape))  # type: ignore[arg-type]
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                is_gain = "ln_" in name and name.endswith("weight")
                parameter.normal_(1.0 if is_gain else 0.0, std, generator=generator)
            for table in (model.transformer.wte, model.lm_head):
                table.weight[model.config.vocab_size :] = 0
        return model.eval()

    return make


@pytest.fixture
def model(make_model: Callable[..., GPT]) -> GPT:
    return make_model()


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    """A corpus of some 20,000 characters."""
    path = tmp_path / "text.txt"
    path.write_text(SENTENCES * 60, encoding="utf-8")
    return path


@pytest.fixture
def obeys_ctrl_c() -> Iterator[None]:
    """This process and those that it starts obey Ctrl-C, even if a shell has started the suite in its background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def lasting_port() -> int:
    """Below those that the system gives away, so that it is still free after one server, for the next."""
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free between 20,000 and 32,000")
