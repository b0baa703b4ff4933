"""Grade submissions one after another: the process behind each `courseware.grading.local.Desk`.

Reads from its standard input an `Order` as a line of JSON, then submissions: how many bytes, a line of
JSON, and the bytes. Writes its news to the descriptor given as its argument, a line of JSON each: that it
is ready, and every result. It is trusted; what students wrote runs in its sandbox.
"""

import contextlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from typing import Any, TypeAlias

from courseware.grading.order import Order, Parcel
from courseware.notebooks import CourseError
from courseware.worker import News

Inbox: TypeAlias = "queue.SimpleQueue[tuple[bytes, bytes]]"
GRACE = 2.0  # seconds to close the sandbox
IDLE = 900.0  # seconds without work after which a worker ends: whoever wanted it may be gone


def main() -> None:
    """Take the order, then grade what comes until nothing comes any more."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, _end)
        _serve(News(int(sys.argv[1])))
        status = 0
    except SystemExit:
        status = 143
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)  # at once: a thread still reads


def _end(*_: Any) -> None:
    """Unwind once, which closes the sandbox."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def _serve(news: News) -> None:
    order = Order.loads(sys.stdin.buffer.readline())
    inbox: Inbox = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox,), daemon=True).start()
    with contextlib.ExitStack() as stack:  # unwound on SIGTERM too
        try:
            bench = stack.enter_context(order.open())
        except CourseError as error:
            news.tell(refused=str(error))
            return
        news.tell(ready=bench.seconds)
        with contextlib.suppress(queue.Empty):
            while True:
                result = bench.grade(Parcel.join(*inbox.get(timeout=IDLE)))
                news.tell(result=result.to_json())


def _listen(inbox: Inbox) -> None:
    """Take in submissions; at the end of the input, whatever its reason, end the process."""
    while line := sys.stdin.buffer.readline():
        size = int(line)
        line = sys.stdin.buffer.readline()
        inbox.put((line, sys.stdin.buffer.read(size)))
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    main()
