"""When to compile a model's blocks: at once, never, or as soon as the steps to come will win back the time it takes."""

from collections.abc import Callable
from statistics import median
from typing import Any

from core.compiling import can_compile

TIMED = 6  # steps, of which the first half warms up
COMPILE_SECONDS = 30  # on an H100's machine the first step took 16 to 28 seconds, later ones 4, out of the cache
SAVED = 0.15  # share of a step's time; an H100 saves 0.16 on 124M


class CompiledBlocks:
    """Compiles the blocks of `model`, all by the same code, when its time has come."""

    def __init__(self, model: Any, choice: str, say: Callable[[str], None]):
        """choice: on, off, or auto: on a GPU, if that repays itself."""
        self.model, self.say = model, say
        self.undecided = choice == "auto" and can_compile(model.device)
        self.seconds: list[float] = []
        if choice == "on":
            self.compile()

    def consider(self, seconds: float, steps_left: int) -> None:
        """After a step that took so long, with so many to come."""
        if not self.undecided:
            return
        self.seconds.append(seconds)
        if len(self.seconds) == TIMED:
            self.undecided = False
            if median(self.seconds[TIMED // 2 :]) * steps_left * SAVED > COMPILE_SECONDS:
                self.compile()

    def compile(self) -> None:
        self.say("compiling")
        for block in self.model.blocks:
            block.compile()
