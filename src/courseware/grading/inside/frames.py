"""What the two ends of a sandbox say to each other: limits, requests and replies, over a pair of pipes."""

import json
import os
import select
import struct
import time
from dataclasses import asdict, dataclass
from typing import Any

LENGTH = struct.Struct("!Q")
MAX_HEADER = 1 << 16


@dataclass(frozen=True)
class Limits:
    """What one run may use: seconds and bytes."""

    seconds: float = 20.0
    cpu: float = 20.0  # of all its processes together
    memory: int = 2 << 30  # likewise
    processes: int = 32  # threads count
    printed: int = 1_000_000  # kept of what it prints
    flood: int = 64_000_000  # printed: ends the run
    answer: int = 64_000_000
    scratch: int = 64_000_000


def read_exactly(fd: int, count: int, deadline: float = float("inf")) -> bytearray:
    """Read `count` bytes.

    Raises:
        EOFError: if the other end closed before.
        TimeoutError: if they are not there by `deadline`, on the monotonic clock.
    """
    data = bytearray()
    while len(data) < count:
        _wait(fd, select.POLLIN, deadline)
        chunk = os.read(fd, min(count - len(data), 1 << 20))
        if not chunk:
            raise EOFError("the other end closed its pipe")
        data += chunk
    return data


def write_all(fd: int, data: bytes | bytearray, deadline: float = float("inf")) -> None:
    """Write all of `data`; raises BrokenPipeError or TimeoutError."""
    rest = memoryview(data)
    while rest:
        _wait(fd, select.POLLOUT, deadline)
        # A pipe that is ready takes at least this much without blocking.
        rest = rest[os.write(fd, rest[: select.PIPE_BUF if deadline < float("inf") else 1 << 20]) :]


def _wait(fd: int, event: int, deadline: float) -> None:
    if deadline == float("inf"):
        return
    poll = select.poll()
    poll.register(fd, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError("the other end does not answer")


def request(payload: bytes, limits: Limits) -> bytes:
    """Return the bytes that ask for one run; the first eight are their own length."""
    header = json.dumps(asdict(limits)).encode()
    return LENGTH.pack(LENGTH.size + len(header) + len(payload)) + LENGTH.pack(len(header)) + header + payload


def parse_request(body: bytearray) -> tuple[bytes, Limits]:
    """Undo `request`, its first eight bytes taken off."""
    end = LENGTH.size + LENGTH.unpack_from(body)[0]
    return bytes(body[end:]), Limits(**json.loads(body[LENGTH.size : end]))


def send_reply(fd: int, printed: bytes = b"", answer: bytes = b"", **header: Any) -> None:
    """Write one reply."""
    head = json.dumps({**header, "printed": len(printed), "answer": len(answer)}).encode()
    write_all(fd, LENGTH.pack(len(head)) + head + printed + answer)


def read_reply(fd: int, limits: Limits, deadline: float) -> tuple[dict[str, Any], bytes, bytes]:
    """Read one reply: its header, what was printed, the answer; never more than `limits` allow.

    Raises:
        ValueError: if it is no reply.
    """
    size = LENGTH.unpack(read_exactly(fd, LENGTH.size, deadline))[0]
    if size > MAX_HEADER:
        raise ValueError("not a reply")
    header = json.loads(read_exactly(fd, size, deadline))
    printed, answer = header["printed"], header["answer"]
    if not (0 <= printed <= limits.printed and 0 <= answer <= limits.answer):
        raise ValueError("a reply larger than its limits")
    return header, bytes(read_exactly(fd, printed, deadline)), bytes(read_exactly(fd, answer, deadline))
