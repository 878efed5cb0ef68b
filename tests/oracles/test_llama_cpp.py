"""llama.cpp itself runs our GGUF: the same tokens, the same turns, the same greedy text.

Probabilities are as close as its arithmetic allows: its keys, values and GELU are in half precision.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xllamacpp

from core import checkpoint
from core.conversation import Conversation, Message, generate_reply
from core.export import export
from core.generate import Sampling, stream_text

BARD = Path(__file__).parents[2] / "checkpoints" / "bard-chat"
SCENE = "JULIET:\nWhat is the matter, my good lord?\n\nROMEO:\n"
GREEDY = Sampling(max_new_tokens=30, temperature=0)
ASK: dict[str, Any] = {"max_tokens": 30, "temperature": 0, "repeat_penalty": 1.0}


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], xllamacpp.Server]:
    def serve(type: str) -> xllamacpp.Server:
        path = tmp_path_factory.mktemp("gguf") / f"bard-{type}.gguf"
        export(BARD, path, type)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx, parameters.n_parallel, parameters.warmup = 256, 1, False
        parameters.cpuparams.n_threads = 1
        return xllamacpp.Server(parameters)

    return serve


@pytest.mark.parametrize(("type", "apart"), [("f32", 0.005), ("q8_0", 0.2)])
def test_llama_cpp_writes_what_we_write(serve: Callable[[str], xllamacpp.Server], type: str, apart: float) -> None:
    ours, server = checkpoint.load(BARD), serve(type)
    ids = ours.tokenizer.encode(SCENE)
    steps = list(stream_text(ours.model, ours.tokenizer, ids, GREEDY))
    answer = server.handle_completions({"prompt": SCENE, "logprobs": 1, **ASK})
    assert answer["usage"]["prompt_tokens"] == len(ids)
    assert answer["choices"][0]["text"] == "".join(step.text for step in steps)
    theirs = [token["logprob"] for token in answer["choices"][0]["logprobs"]["content"]]
    assert theirs[: len(steps)] == pytest.approx([math.log(step.probability) for step in steps], abs=apart)

    asked = Conversation((Message("user", "Who goes there?"),), system="Be brief.")
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who goes there?"}]
    answer = server.handle_chat_completions({"messages": messages, **ASK})
    assert answer["usage"]["prompt_tokens"] == len(asked.encode(ours.tokenizer))
    reply = "".join(step.text for step in generate_reply(ours.model, ours.tokenizer, asked, GREEDY))
    assert answer["choices"][0]["message"]["content"] == reply
