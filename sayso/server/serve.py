"""`sayso serve`: the studio and its interfaces on a port, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sayso.errors import BadInput

if TYPE_CHECKING:
    from sayso.studio.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1); anything but loopback demands keys")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8021; 0: any that is free)")
    parser.add_argument("--engine", help="the engine that draws unless a request names another")
    parser.add_argument("--workers", type=int, help="threads that draw; 0: none here")
    parser.add_argument("--data", help="folder for the database and the pictures")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings; see docs/settings.md")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")


def settings(args: argparse.Namespace) -> Settings:
    """The settings with what the command line says above them."""
    from sayso.studio.settings import load

    given = {name: getattr(args, name) for name in ("host", "port", "engine", "workers", "data") if getattr(args, name) is not None}
    return load(args.config, **given)


def run(args: argparse.Namespace) -> int:
    """Serves until it is stopped. Raises BadInput when keys are demanded and there are none, or the port is taken."""
    try:
        import uvicorn

        from sayso.server import app
        from sayso.server.line import Line
        from sayso.studio import logs, service
    except ImportError as error:
        raise BadInput(f"the server needs libraries that are not installed ({error.name}); run pip install 'sayso[serve]'") from error
    now = settings(args)
    logs.set_up(now.log_level, now.log_prompts)
    studio = service.build(now)
    config = uvicorn.Config(
        app.create(studio),
        host=now.host,
        port=now.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
        http=Line,
        h11_max_incomplete_event_size=65_536,
    )
    try:
        socket = config.bind_socket()
    except SystemExit as error:  # uvicorn's own way of saying that it cannot listen there
        raise BadInput(f"cannot listen on {now.host}:{now.port}; choose another --port or --host") from error
    socket.listen(2048)  # who connects once the address is printed waits instead of being turned away
    port = socket.getsockname()[1]
    address = f"http://{f'[{now.host}]' if ':' in now.host else now.host}:{port}"
    print(f"sayso is at {address} (OpenAI base URL {address}/v1); Ctrl-C stops it", flush=True)
    if studio.demands_keys():
        print("keys are demanded here; sayso keys create NAME makes one", file=sys.stderr, flush=True)
    server = uvicorn.Server(config)
    if args.open:
        threading.Thread(target=_open, args=(server, address), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[socket])
    return 0


def _open(server: Any, address: str) -> None:
    """Opens the page once the server answers."""
    for _ in range(600):
        if server.started:
            webbrowser.open(address)
            return
        time.sleep(0.1)
