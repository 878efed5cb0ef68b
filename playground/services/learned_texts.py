"""The texts that models learned from, ready to be searched: indexed in the background when one is first asked for."""

import threading

from core.bounded_files import modified
from core.learned_text import LearnedText, checkpoint_in, learned_text
from core.tokenizer import Tokenizer
from playground.services.background_task import BackgroundTask, Stopped
from playground.services.checkpoints import Checkpoints

KEPT = 6  # models whose texts are open
STOPPED = "the search was stopped: switch it off and on to begin it anew"

Key = tuple[str, int]  # a model's name, and when its card was written


class LearnedTexts:
    """One text is indexed at a time; who asks for another waits. No answer waits for any."""

    def __init__(self, checkpoints: Checkpoints):
        self.checkpoints = checkpoints
        self.ready: dict[Key, LearnedText] = {}
        self.refused: dict[Key, str] = {}  # why nothing can be searched
        self.task = BackgroundTask("learned text", "another text is being indexed", model="", share=0.0)
        self.lock = threading.Lock()

    def get(self, name: str, again: bool = False) -> LearnedText | None:
        """What the model or run called `name` learned from; None while it is being indexed.

        Raises ValueError if nothing of it is known or can be read, or the person did not want to wait; `again` tries it
        once more.
        """
        directory = self.checkpoints.roots.path(name)
        key = name, modified(checkpoint_in(directory) / "card.json")
        with self.lock:
            if again:
                self.refused.pop(key, None)
            if key in self.refused:
                raise ValueError(self.refused[key])
            if key not in self.ready and not self.task.running:
                self.task.start(lambda: self.index(key), "", model=name, share=0.0)
            return self.ready.get(key)

    def stop(self) -> None:
        self.task.stop()

    # --- the thread -------------------------------------------------------------------------------------------

    def index(self, key: Key) -> str:
        try:
            directory = self.checkpoints.roots.path(key[0])
            tokenizer = Tokenizer.load(checkpoint_in(directory))
            found = learned_text(directory, tokenizer, self.checkpoints.roots, self.tell)
        except (ValueError, Stopped) as error:
            self.refused[key] = STOPPED if isinstance(error, Stopped) else str(error)
            raise
        self.ready[key] = found
        while len(self.ready) > KEPT:
            del self.ready[next(iter(self.ready))]
        return ""

    def tell(self, share: float) -> None:
        self.task.report("", share=share)
