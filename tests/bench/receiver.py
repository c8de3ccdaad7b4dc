"""Somebody else's server: `python -m tests.bench.receiver PORT` answers 204 to every message.

It reads no more of a request than where it ends, so that it takes little of the machine.
`GET` answers how many messages came.
"""

import asyncio
import re
import sys

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver(asyncio.Protocol):
    """One connection, kept open for as many messages as come."""

    came = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.read = transport, b""

    def data_received(self, data: bytes) -> None:
        self.read += data
        while (head := self.read.find(b"\r\n\r\n")) >= 0:
            told = _LENGTH.search(self.read, 0, head)
            end = head + 4 + (int(told[1]) if told else 0)
            if len(self.read) < end:
                return
            asked, self.read = self.read[:4], self.read[end:]
            self.transport.write(self._answer(asked))  # type: ignore[attr-defined]

    def _answer(self, asked: bytes) -> bytes:
        if asked == b"POST":
            Receiver.came += 1
            return _ANSWER
        count = str(Receiver.came).encode()
        length = str(len(count)).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n" + count


async def main(port: int) -> None:
    """Serve until the process ends."""
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
