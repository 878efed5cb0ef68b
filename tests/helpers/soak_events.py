"""What happens in the soak: users, kills, full disks, clocks that jump, damaged files. Each event says what it did."""

import json
import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from random import Random
from typing import Any
from unittest.mock import patch

from core.hub import import_model
from core.preferences.vote_store import FILE, Answer, NewPair, Votes
from core.stages.pretrain import PretrainConfig
from core.training.run_directory import QUEUED, Run, runs
from core.workspace import Workspace
from playground.services.services import Services
from tests.helpers.soak_world import UNFINISHED, USERS, World, digest

Event = Callable[[World, Random], str]
EVENTS: dict[Event, int] = {}  # with their weights
MOST_RUNS, MOST_MODELS = 10, 10
SHAPE: dict[str, Any] = dict(n_layer=1, n_head=2, n_embd=16, block_size=16, vocab_size=300, sample_prompt="To be")
FIT: dict[str, Any] = dict(batch_size=4, warmup_steps=5, eval_interval=25, save_interval=25, device="cpu")
HOSTILE = [None, True, 5, "x", [], {}, [[1]], {"state": "running"}, {"architectures": 5}, "[" * 50_000]
CHOICES = ("left", "right", "tie", "bad", "skip")


def event(weight: int) -> Callable[[Event], Event]:
    def known(act: Event) -> Event:
        EVENTS[act] = weight
        return act

    return known


def refusal(world: World, act: Callable[[], object], *others: type[Exception]) -> str:
    """ "" if it was done, else the sentence by which it was refused. Anything but a sentence breaks the soak."""
    try:
        act()
    except (ValueError, *others) as error:
        world.must(len(str(error)) > 10, f"refused without a reason: {error!r}")
        world.counts["refused"] += 1
        return f"refused: {error}"[:160]
    return ""


def window(world: World, chance: Random) -> Services:
    return chance.choice(world.windows)


def chosen_run(world: World, chance: Random, *states: str) -> Run | None:
    found = sorted((run for run in runs(world.directory) if run.status().state in states), key=lambda run: run.name)
    return chance.choice(found) if found else None


def killed(chance: Random, act: Callable[[], None], seconds: float) -> None:
    """Do something in a process that is killed within so many seconds, wherever it is then."""
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            act()
        os._exit(0)
    time.sleep(chance.random() * seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@contextmanager
def full_disk() -> Any:
    """Nothing that this process writes by core.atomic_files reaches the disk."""
    with patch("core.atomic_files.sync", side_effect=OSError(28, "No space left on device")):
        yield


# --- votes ----------------------------------------------------------------------------------------------------


def new_pair(chance: Random) -> NewPair:
    left, right = (Answer(f"answer {chance.random()}", chance.choice(("one", "two"))) for _ in range(2))
    return NewPair("To be?", left, right, {"temperature": 1.0}, "compare")


@event(20)
def vote(world: World, chance: Random) -> str:
    """Somebody votes; now and then the answer is lost, and the window sends the vote again."""
    votes, user, key = window(world, chance).preferences, chance.choice(USERS), f"vote {chance.random()}"
    (pair,) = votes.add_pairs([new_pair(chance)])
    choice = chance.choice(CHOICES)
    ids = {votes.cast(key, pair, user, choice, 1000) for _ in range(chance.choice((1, 1, 3)))}
    world.must(len(ids) == 1, f"one vote was counted as {ids}")
    world.votes[key] = ids.pop()
    return f"{user} votes {choice}"


@event(8)
def take_back(world: World, chance: Random) -> str:
    """A vote is undone, or changed."""
    standing = sorted(world.votes.keys() - world.withdrawn)
    if not standing:
        return "there is no vote to take back"
    key, votes, again = chance.choice(standing), window(world, chance).preferences, f"change {chance.random()}"
    if chance.random() < 0.5:
        votes.withdraw(again, world.votes[key], "undo")
    else:
        world.votes[again] = votes.change(again, world.votes[key], chance.choice(CHOICES))
    world.withdrawn.add(key)
    return "a vote is taken back or changed"


@event(6)
def vote_and_be_killed(world: World, chance: Random) -> str:
    """A process that votes as fast as it can is killed: what it was told of as stored is stored."""
    read, write = os.pipe()
    keys = [f"killed {chance.random()}" for _ in range(200)]

    def cast() -> None:
        votes = Votes(world.directory / FILE)
        for key in keys:
            (pair,) = votes.add_pairs([new_pair(chance)])
            os.write(write, f"{votes.cast(key, pair, 'Eve', 'left', 1)} {key}\n".encode())

    killed(chance, cast, 1.0)
    os.close(write)
    with os.fdopen(read) as told:
        acknowledged = {key: int(id) for id, _, key in (line.strip().partition(" ") for line in told)}
    world.votes |= acknowledged
    return f"a process is killed after {len(acknowledged)} votes"


@event(3)
def vote_on_a_full_disk(world: World, chance: Random) -> str:
    """The disk is full: a vote is refused in words, and not there afterwards."""
    votes = window(world, chance).preferences
    connection = votes.connection()
    before = connection.execute("PRAGMA max_page_count").fetchone()[0]
    connection.execute("PRAGMA max_page_count = 1")  # as many as there are
    said, key = "", ""
    try:
        while not said:
            key = f"full {chance.random()}"

            def cast(key: str = key) -> None:
                (pair,) = votes.add_pairs([new_pair(chance)])
                world.votes[key] = votes.cast(key, pair, "Ann", "left", 1, note="x" * 2000)

            said = refusal(world, cast)
    finally:
        connection.execute(f"PRAGMA max_page_count = {before}")
    there = connection.execute("SELECT count(*) FROM votes WHERE key = ?", (key,)).fetchone()[0]
    world.must(not there, "a vote was refused, and is stored")
    return f"a vote is {said}"


@event(3)
def vote_by_program(world: World, chance: Random) -> str:
    """A program votes through the running page."""
    key = f"program {chance.random()}"
    id = world.ask("vote", "To be?", f"Ay {key}.", "No.", "Fay", key)
    if isinstance(id, int):
        world.votes[key] = id
    return f"a program votes: {id}"


# --- trainings ------------------------------------------------------------------------------------------------


def config(world: World, chance: Random) -> PretrainConfig:
    steps = chance.choice((50, 200, 1000))
    return PretrainConfig.from_dict(SHAPE | FIT | {"corpus": str(world.text), "max_steps": steps, "seed": steps})


@event(5)
def start(world: World, chance: Random) -> str:
    """A training is begun, or waits for the one that goes on."""
    if len(runs(world.directory)) >= MOST_RUNS:
        return throw_away_a_run(world, chance)
    name = f"run-{chance.randrange(10**6)}"
    said = refusal(world, lambda: window(world, chance).jobs.start(name, "pretrain", config(world, chance)))
    return f"{name} is begun {said}"


@event(2)
def start_at_once(world: World, chance: Random) -> str:
    """Two windows give one name in the same moment: one of them gets it."""
    if len(runs(world.directory)) >= MOST_RUNS:
        return throw_away_a_run(world, chance)
    name, barrier, done = f"race-{chance.randrange(10**6)}", threading.Barrier(2), []
    settings = config(world, chance)

    def begin(services: Services) -> None:
        barrier.wait()
        done.append(refusal(world, lambda: services.jobs.start(name, "pretrain", settings)))

    threads = [threading.Thread(target=begin, args=[services]) for services in world.windows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.must(done.count("") == 1, f"{name} was begun {done.count('')} times: {done}")
    return f"{name} is begun by one of two"


@event(5)
def kill_training(world: World, chance: Random) -> str:
    """The process of a training is killed."""
    run = chosen_run(world, chance, "running", "paused", "starting")
    pid = run.status().pid if run else 0
    if run is None or not run.is_held() or pid == os.getpid():
        return "there is no training to kill"
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return f"{run.name} is killed"


@event(6)
def resume(world: World, chance: Random) -> str:
    """A run that has not finished is resumed, or refused with a reason."""
    run = chosen_run(world, chance, *UNFINISHED)
    if run is None:
        return "there is no run to resume"
    return f"{run.name} is resumed {refusal(world, lambda: window(world, chance).jobs.resume(run.name))}"


@event(4)
def steer(world: World, chance: Random) -> str:
    """A training is paused, goes on, or is stopped; what waits is moved, or taken out of the queue."""
    run = chosen_run(world, chance, "running", "paused", QUEUED)
    if run is None:
        return "there is no training to steer"
    jobs, command = window(world, chance).jobs, chance.choice(("pause", "stop", "up", "remove"))
    if command in ("up", "remove"):
        return f"{run.name}: {command} {refusal(world, lambda: jobs.change_queue(run.name, command))}"
    act = (lambda: jobs.resume(run.name)) if run.status().state == "paused" else lambda: jobs.request(run.name, command)
    return f"{run.name}: {command} {refusal(world, act)}"


@event(3)
def fill_the_disk_of_a_training(world: World, chance: Random) -> str:
    """A training may write no file of more than 20 KB from now on: it ends, and says why."""
    run = chosen_run(world, chance, "running")
    pid = run.status().pid if run else 0
    if run is None or not run.is_held() or pid == os.getpid():
        return "there is no training whose disk could be full"
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
    return f"the disk of {run.name} is full"


@event(4)
def damage_a_run(world: World, chance: Random) -> str:
    """The newest saved step, or the end of a log, of a run that nobody trains is damaged: it can still be resumed."""
    run = chosen_run(world, chance, *UNFINISHED)
    if run is None:
        return "there is no run to damage"
    newest = sorted(path for step in run.saved_steps()[-1:] for path in step.glob("*.safetensors"))
    file = chance.choice([run.metrics, run.samples, run.log, *newest])
    if not file.is_file():
        return f"{run.name} has no {file.name}"
    content = file.read_bytes()
    if file.suffix == ".safetensors":
        file.write_bytes(content[: chance.randrange(len(content) + 1)])
    else:
        file.write_bytes(
            content + chance.choice((b"\0" * 99, b"\0" * 99 + b"\n", b"{}\n", b'{"step": ', b"\xff\n[]\n"))
        )
    return f"{file.name} of {run.name} is damaged"


@event(2)
def lose_a_run(world: World, chance: Random) -> str:
    """The status or the settings of a run are damaged: it is shown as damaged, and harms nobody."""
    run = chosen_run(world, chance, *UNFINISHED)
    if run is None:
        return "there is no run to lose"
    world.damaged.add(run.name)
    world.models.pop(run.name, None)
    name = chance.choice(("status.json", "run.json"))
    (run.directory / name).write_text(json.dumps(chance.choice(HOSTILE))[:-1], encoding="utf-8")
    return f"{name} of {run.name} is damaged"


@event(3)
def throw_away_a_run(world: World, chance: Random) -> str:
    """A run is thrown away, be it damaged; never one that is trained."""
    names = sorted(run.name for run in runs(world.directory) if run.name not in world.models)
    if not names:
        return "there is no run to throw away"
    name = chance.choice(names)
    said = refusal(world, lambda: window(world, chance).workspace.throw_away(name))
    if not said:
        world.damaged.discard(name)
    return f"{name} is thrown away {said}"


# --- models ---------------------------------------------------------------------------------------------------


def chosen_model(world: World, chance: Random) -> str:
    return chance.choice(sorted(world.models))


def find_again(world: World, known: str, *names: str) -> None:
    """After a kill: the model has one of these names."""
    there = [name for name in names if digest(world.directory / name) == known]
    world.must(len(there) == 1, f"one model is called {there}, it was {names}")
    for name in names:
        world.models.pop(name, None)
    world.models[there[0]] = known


@event(4)
def rename(world: World, chance: Random) -> str:
    """A model gets another name, or one that is taken and is refused."""
    name, taken = chosen_model(world, chance), chance.random() < 0.2
    new = chosen_model(world, chance) if taken else f"model-{chance.randrange(10**6)}"
    said = refusal(world, lambda: window(world, chance).workspace.rename(name, new))
    world.must(bool(said) or not taken, f"{name} was renamed to {new}, which was taken")
    if not said:
        world.models[new] = world.models.pop(name)
    return f"{name} becomes {new} {said}"


@event(3)
def rename_and_be_killed(world: World, chance: Random) -> str:
    """Whoever renames is killed: the next start completes it."""
    name, new = chosen_model(world, chance), f"model-{chance.randrange(10**6)}"
    killed(chance, lambda: Workspace(world.directory).rename(name, new), 0.1)
    said = Workspace(world.directory).tidy()
    find_again(world, world.models[name], name, new)
    return f"killed while {name} becomes {new}: {said}"


@event(2)
def rename_on_a_full_disk(world: World, chance: Random) -> str:
    """A model is renamed while nothing can be written: refused in words, or completed by the next start."""
    name, new = chosen_model(world, chance), f"model-{chance.randrange(10**6)}"
    with full_disk():
        said = refusal(world, lambda: window(world, chance).workspace.rename(name, new), OSError)
    Workspace(world.directory).tidy()
    find_again(world, world.models[name], name, new)
    return f"{name} becomes {new} on a full disk {said}"


@event(4)
def throw_away(world: World, chance: Random) -> str:
    """A model is thrown away, or comes back."""
    workspace = window(world, chance).workspace
    if world.thrown and chance.random() < 0.6:
        id = chance.choice(sorted(world.thrown))
        name, known = world.thrown[id]
        said = refusal(world, lambda: workspace.restore(id))
        if not said:
            world.models[name] = known
            del world.thrown[id]
        return f"{name} comes back {said}"
    if len(world.models) < 3:
        return "there are too few models to throw one away"
    name, ids = chosen_model(world, chance), []
    said = refusal(world, lambda: ids.append(workspace.throw_away(name)))
    if not said:
        world.thrown[ids[0]] = name, world.models.pop(name)
    return f"{name} is thrown away {said}"


@event(1)
def empty_the_trash(world: World, chance: Random) -> str:
    """What was thrown away is deleted for good, and nothing else."""
    freed = window(world, chance).workspace.empty_trash()
    world.thrown.clear()
    return f"the trash is emptied, {freed:,} bytes"


@event(4)
def import_a_model(world: World, chance: Random) -> str:
    """A model is imported under a new name, or one that is taken, or by a process that is killed."""
    if len(world.models) >= MOST_MODELS:
        return throw_away(world, chance)
    source, seed = world.place / "source", chance.randrange(10**6)
    shutil.rmtree(source, ignore_errors=True)
    world.make_model(source, seed)
    if chance.random() < 0.3:
        name = f"half-{seed}"
        killed(chance, lambda: import_model(str(source), world.directory / name) and None, 0.2)
        if (known := digest(world.directory / name)) and name in window(world, chance).checkpoints.names():
            world.models[name] = known
        elif (world.directory / name).exists():
            window(world, chance).workspace.throw_away(name)
        return f"killed while {name} is imported"
    taken = chance.random() < 0.3
    name = chosen_model(world, chance) if taken else f"import-{seed}"
    said = refusal(world, lambda: import_model(str(source), world.directory / name))
    world.must(bool(said) or not taken, f"{name} was taken, and a model was imported into it")
    if not said:
        world.models[name] = digest(world.directory / name)
    return f"{name} is imported {said}"


# --- what is foreign ------------------------------------------------------------------------------------------


@event(4)
def leave_junk(world: World, chance: Random) -> str:
    """Something foreign lies among the models; sooner or later it is thrown away, as what it is."""
    junk = sorted(path.name for path in world.directory.glob("junk-*"))
    if len(junk) > 3:
        name = chance.choice(junk)
        window(world, chance).workspace.throw_away(name)
        world.damaged.discard(name)
        return f"{name} is thrown away"
    place = world.directory / f"junk-{chance.randrange(10**6)}"
    place.mkdir()
    world.damaged.add(place.name)
    names = chance.sample(("config.json", "card.json", "run.json", "status.json", "metrics.jsonl", "tokenizer.json"), 3)
    for name in names:
        kind = chance.choice(("json", "fifo", "loop", "sparse", "directory"))
        if kind == "json":
            (place / name).write_text(json.dumps(chance.choice(HOSTILE)), encoding="utf-8")
        elif kind == "fifo":
            os.mkfifo(place / name)
        elif kind == "loop":
            (place / name).symlink_to(name)
        elif kind == "directory":
            (place / name).mkdir()
        else:
            with (place / name).open("wb") as file:
                file.truncate(1 << 40)
    return f"{place.name} lies there with {', '.join(names)}"


@event(2)
def jump(world: World, chance: Random) -> str:
    """The clock of this process jumps; those of others do not."""
    world.clock = chance.choice((-400 * 86_400.0, -3600.0, 0.0, 0.0, 3600.0, 30 * 86_400.0))
    return f"the clock is wrong by {world.clock:,.0f} s"


# --- the page -------------------------------------------------------------------------------------------------


@event(8)
def look(world: World, chance: Random) -> str:
    """A window looks at a run, whatever state that is in, and at the queue."""
    jobs, found = window(world, chance).jobs, sorted(run.name for run in runs(world.directory))
    jobs.queue()
    if not found:
        return "there is no run to look at"
    name = chance.choice(found)
    asked = (jobs.follow, jobs.history, jobs.findings, jobs.command, jobs.log_text)
    said = [refusal(world, lambda ask=ask: ask(name)) for ask in asked]  # type: ignore[misc]
    return f"{name} is looked at {next(filter(None, said), '')}"


@event(4)
def ask_the_page(world: World, chance: Random) -> str:
    """A program asks the running page what there is, and of a run how far it is."""
    if chance.random() < 0.5 or not (found := sorted(run.name for run in runs(world.directory))):
        answer = world.ask("models")
        if isinstance(answer, list):
            missing = world.models.keys() - {model["name"] for model in answer}
            world.must(not missing, f"the page does not know {missing}")
        return f"the page tells of {'no' if answer is None else len(answer)} models"
    name = chance.choice(found)
    return f"the page tells of {name}: {str(world.ask('training', name))[:60]}"


@event(1)
def kill_the_page(world: World, chance: Random) -> str:
    """The process that serves the page is killed, and started again; trainings go on."""
    if world.server is None or not world.is_served:
        return "the page is not killed"
    world.server.kill()
    world.server.wait()
    world.memory.pop("the page", None)
    world.serve()
    return "the page is killed and started again"


def happen(world: World, chance: Random) -> str:
    """One event, drawn by its weight: its name and what it did."""
    (act,) = chance.choices(list(EVENTS), list(EVENTS.values()))
    said = act(world, chance)
    world.counts[act.__name__] += 1
    return f"{act.__name__}: {said}".strip()
