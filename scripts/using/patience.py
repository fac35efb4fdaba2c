"""uvicorn's HTTP, which also ends connections that drip: it knows a time limit between two requests alone."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0  # that a connection may stay without a request under way: for a request's head, or what is thrown away


class Patience(H11Protocol):
    """Closes a connection that has had no request under way for SECONDS, whatever it sends meanwhile."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget()

    def _watch(self) -> None:
        if self.cycle and not self.cycle.response_complete:
            self._forget()
        elif self._limit is None:
            self._limit = self.loop.call_later(SECONDS, self.transport.close)

    def _forget(self) -> None:
        if self._limit:
            self._limit.cancel()
            self._limit = None
