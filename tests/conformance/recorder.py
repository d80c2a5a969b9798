"""An origin that keeps every byte which reaches it, and answers what it was told to answer."""

import asyncio
import socket
import struct

from conformance.wire import WireError, take_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Recorder:
    """It takes the place of an `Origin` in a rig.

    Each of `answers` is for one request, in the order in which requests come; after the last of them
    everything is answered with 200. `pieces` are sent apart, `then` is what comes after them: "keep",
    "close", "reset", or "raw": what comes is sent back, and kept in `raw`; an `early` answer does not wait for the request's body.
    """

    tls = None

    def __init__(self, answers=()):
        self.answers = list(answers)
        self.wires = []
        self.messages = []
        self.faults = []
        self.raw = b""
        self.open = 0
        self.server = None
        self.port = 0
        self._tasks = set()

    async def listen(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self.open += 1
        wire = bytearray()
        self.wires.append(wire)
        try:
            await self._converse(reader, writer, wire)
        except (OSError, asyncio.CancelledError):
            pass
        except WireError as error:
            self.faults.append(error)
        finally:
            self.open -= 1
            self._tasks.discard(asyncio.current_task())
            writer.close()

    async def _converse(self, reader, writer, wire):
        at, answered = 0, False
        while data := await reader.read(65536):
            wire += data
            while True:
                taken = take_request(bytes(wire), at)
                early = (
                    bool(self.answers) and self.answers[0].get("early") and wire.find(b"\r\n\r\n", at) >= 0
                )
                if taken is not None:
                    self.messages.append(taken[0])
                    at = taken[1]
                elif answered or not early:
                    break
                if not answered:
                    answered = True
                    answer = self.answers.pop(0) if self.answers else {}
                    if not await self._answer(writer, answer):
                        return
                    if answer.get("then") == "raw":
                        await self._echo(reader, writer, bytes(wire[at:]))
                        return
                if taken is None:
                    break
                answered = False

    async def _answer(self, writer, answer):
        for number, piece in enumerate(answer.get("pieces", [OK])):
            if number:
                await asyncio.sleep(0.005)
            writer.write(piece)
            await writer.drain()
        then = answer.get("then", "keep")
        if then == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await asyncio.sleep(0.005)
            writer.transport.abort()
        return then in ("keep", "raw")

    async def _echo(self, reader, writer, data):
        """Send back what comes, which is another protocol now."""
        while data or not reader.at_eof():
            self.raw += data
            writer.write(data)
            await writer.drain()
            data = await reader.read(65536)

    def refuse(self):
        self.server.close()

    async def close(self):
        self.server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
