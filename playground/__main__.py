"""Start the playground: `python -m playground --help`."""

import argparse
import atexit
import contextlib
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from core.atomic_files import is_locked, own
from core.config import describe_os_error
from core.roots import default_directory, shipped_models
from core.training.device import pick_device
from playground.app import THEME, build
from playground.openai_api import server
from playground.security import LOCAL_HOSTS, middleware, parse_auth, parse_token
from playground.services.services import Services
from playground.ui import scripts
from playground.ui.early_script import EarlyScript

log = logging.getLogger("playground")
MAX_UPLOAD = "100mb"
LOOK = 0.02  # seconds between two looks of Gradio for an event; at its 0.001 a page at rest costs a twentieth of a core
TEMPORARY = "gpt-playground-"  # how the directory of a process begins, for what is sent and received


def main(argv: list[str] | None = None) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.INFO)
    args = parse(argv)
    try:
        auth = parse_auth(args.host, args.auth or os.environ.get("PLAYGROUND_AUTH") or None)
        api_token = parse_token(args.api_token or os.environ.get("PLAYGROUND_API_TOKEN") or None) if args.api else None
        refuse_taken_port(args.host, args.port)
        read_only = [*check_models(args.models), *shipped_models()]
        services = Services.open(args.checkpoints or default_directory(), pick_device(args.device), read_only)
        for clash in services.workspace.roots.clashes():
            log.info("%s is not shown: another model has its name", clash)
        threading.Thread(target=services.jobs.tend_queue, name="queue", daemon=True).start()
        launch(services, args.host, args.port, browser=args.browser, auth=auth, api_token=api_token)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {describe_os_error(error) if isinstance(error, OSError) else error}\n")
        return 1
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m playground", description="Open the playground in the browser.")
    parser.add_argument("--port", type=int, default=7860, help="port of the page [7860]")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1, this machine only]")
    parser.add_argument(
        "--auth",
        metavar="NAME:PASSWORD",
        help="who may open the page; needed for every other --host [PLAYGROUND_AUTH in the environment, or nobody]",
    )
    parser.add_argument(
        "--api", action="store_true", help="let programs use the models at /v1, by OpenAI's protocol, with a token"
    )
    parser.add_argument(
        "--api-token", metavar="TOKEN", help="the token [PLAYGROUND_API_TOKEN in the environment, or a new one]"
    )
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="do not open the browser")
    parser.add_argument(
        "--checkpoints",
        type=Path,
        metavar="DIR",
        help="where models live [./checkpoints if there is one, else the clone's, else this user's data directory]",
    )
    parser.add_argument(
        "--models",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a directory whose models are shown beside them, read-only; may be repeated",
    )
    parser.add_argument(
        "--device", choices=("auto", "cuda", "mps", "cpu"), default="auto", help="where models run on the page [auto]"
    )
    return parser.parse_args(argv)


def check_models(directories: list[Path]) -> list[Path]:
    """Raise ValueError for one that is not there."""
    for directory in directories:
        if not directory.is_dir():
            raise ValueError(f"--models {directory}: there is no such directory")
    return directories


def refuse_taken_port(host: str, port: int) -> None:
    """Raise ValueError, before anything slow happens, if the port cannot be had."""
    if not 1 <= port <= 65535:
        raise ValueError(f"--port must be between 1 and 65535, got {port}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ValueError(f"--host {host} is no address of this machine: {error}") from error
    with socket.socket(family) as probe:
        if sys.platform != "win32":  # there, this option would let two servers share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise ValueError(
                f"port {port} cannot be used ({error.strerror}): choose another one with --port"
            ) from error


def spare_own_address(host: str) -> None:
    """Let no proxy of the environment stand between this process and its own server; to the hub it may."""
    for name in ("no_proxy", "NO_PROXY"):
        known = os.environ.get(name, "")
        os.environ[name] = ",".join(dict.fromkeys([*filter(None, known.split(",")), *LOCAL_HOSTS, host]))


def private_directory() -> str:
    """A temporary directory of this process, which no other user may look into; it goes when the process does.

    Those of processes that were killed go with it.
    """
    place = Path(tempfile.gettempdir())
    for left in place.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):  # of another user
            if not is_locked(left):
                shutil.rmtree(left)
    directory = Path(tempfile.mkdtemp(prefix=TEMPORARY))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    held = contextlib.ExitStack()
    held.enter_context(own(directory))
    atexit.register(held.close)
    return str(directory)


def launch(
    services: Services,
    host: str,
    port: int,
    browser: bool,
    wait: bool = True,
    auth: str | None = None,
    api_token: str | None = None,
) -> gr.Blocks:
    """Serve the page; returns when it is stopped, or at once if not told to `wait`.

    auth: NAME:PASSWORD. api_token: for programs that use the models by OpenAI's protocol; None serves no such.
    """
    if "GRADIO_TEMP_DIR" not in os.environ:
        os.environ["GRADIO_TEMP_DIR"] = private_directory()
    spare_own_address(host)
    place = f"[{host}]" if ":" in host else host
    blocks = build(services)
    blocks.launch(
        server_name=place,
        server_port=port,
        inbrowser=browser,
        prevent_thread_lock=True,
        quiet=True,
        theme=THEME,
        css_paths=scripts.styles(),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        strict_cors=True,
        max_file_size=MAX_UPLOAD,
        _frontend=False,  # no question to its own address whether it is there: a busy machine or a proxy would say no
        app_kwargs={
            "middleware": [
                *middleware(host, auth, server.PREFIX if api_token else None),
                Middleware(EarlyScript),
            ],
            "routes": [scripts.route(), *([server.route(services.checkpoints, api_token)] if api_token else [])],
            **dict.fromkeys(("openapi_url", "docs_url", "redoc_url")),
        },
    )
    blocks._queue.sleep_when_free = blocks._queue.progress_update_sleep_when_free = LOOK
    log.info("GPT Playground is open at http://%s:%s (Ctrl-C ends it; trainings go on)", place, port)
    if api_token:
        log.info(
            "Programs reach its models at http://%s:%s%s with the API key %s",
            place,
            port,
            server.PREFIX,
            api_token,
        )
    if wait:
        blocks.block_thread()
    return blocks


if __name__ == "__main__":
    sys.exit(main())
