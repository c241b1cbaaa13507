# SPDX-License-Identifier: Apache-2.0
"""The metrics over HTTP, in threads of the sink's process; who asks can take neither time nor memory from the rest."""

from __future__ import annotations

import os
import socket
import threading
import time
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from tlshub_capture_prometheus.options import Options
from tlshub_core.api import Unavailable

_AT_ONCE = 16
_SILENCE_S = 10.0
_PATIENCE_S = 3.0  # the sink of an agent that was killed may still be writing its last events
_AGAIN_S = 0.1


class _Handler(WSGIRequestHandler):
    timeout = _SILENCE_S

    def log_message(self, format: str, *args: object) -> None:
        """Who asks is no news."""


class _Listener(ThreadingWSGIServer):
    """At most so many requests at once: the next ones are hung up on."""

    request_queue_size = 64

    def __init__(self, *args: object) -> None:
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(*args)  # type: ignore[arg-type]

    def process_request(self, request: object, client_address: object) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)  # type: ignore[arg-type]
        else:
            self.shutdown_request(request)  # type: ignore[arg-type]

    def process_request_thread(self, request: object, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._room.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, or says nothing, is its own affair."""


class _Listener6(_Listener):
    address_family = socket.AF_INET6


class Server:
    """Serves what is registered, from `open` to `close`."""

    def __init__(self, options: Options, registry: CollectorRegistry) -> None:
        self._options, self._app = options, make_wsgi_app(registry)
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Listen, and answer in a thread; raises Unavailable where the address cannot be had."""
        self._listener = self._bound(time.monotonic() + _PATIENCE_S)
        self._thread = threading.Thread(target=self._listener.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up; nothing where it is not open."""
        listener, thread = self._listener, self._thread
        self._listener = self._thread = None
        if listener and thread:
            listener.shutdown()
            thread.join()
            listener.server_close()

    def _bound(self, until: float) -> _Listener:
        here = self._options
        kind = _Listener if here.address.version == 4 else _Listener6
        while True:
            try:
                return make_server(str(here.address), here.port, self._app, kind, _Handler)
            except OSError as error:
                if time.monotonic() > until:
                    raise Unavailable(_why(here, error)) from error
            time.sleep(_AGAIN_S)  # that a port is free again is told to nobody


def _why(here: Options, error: OSError) -> str:
    what = os.strerror(error.errno or 0).lower()
    remedy = "see who has it with 'ss -ltnp', or set 'address' and 'port' in the table '[plugin.prometheus]'"
    return f"'{here.address}' port {here.port} cannot be listened on: {what}; {remedy}"
