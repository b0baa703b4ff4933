"""Grade on a Dask cluster that runs already.

A submission's bytes travel with its task, so that workers need no shared folder and a task can be run again
elsewhere when a worker is lost. Each thread of a Dask worker has a `Desk` of its own, as on one machine.
Who can reach the scheduler can run code on all workers: keep it in a trusted network, or use TLS.
"""

import contextlib
import functools
import queue
import socket
import threading
import uuid
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from courseware.grading.local import Desk, GradingError, Lost, stop
from courseware.grading.order import Order, Parcel, Results, not_run, pack
from courseware.grading.result import Result
from courseware.grading.stamp import stamp
from courseware.grading.submissions import Submission

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT = 20.0  # seconds to reach the scheduler
TICK = 0.5  # seconds between two looks at the clock
AHEAD = 2  # tasks a thread that the scheduler knows of: files do not pile up there
RETRIES = 2

_desks: dict[tuple[int, Order], Desk] = {}  # in a Dask worker: one a thread


def grade_there(order: Order, submissions: Sequence[Submission], address: str) -> Results:
    """Yield each result as it comes, and None whenever none has come for a moment.

    Closing the iterator takes back what the cluster has in hand.

    Raises:
        GradingError: if the scheduler cannot be reached or is lost, or a worker runs other code.
    """
    client = _connect(address)
    run = uuid.uuid4().hex[:8]
    waiting = list(reversed(submissions))
    in_hand: dict[str, tuple[Submission, Future]] = {}  # its key, unique in the cluster: one result counts
    done: queue.SimpleQueue[str] = queue.SimpleQueue()
    mine = signature(order)
    try:
        while waiting or in_hand:
            while waiting and len(in_hand) < _room(client):
                submission = waiting.pop()
                parcel = pack(submission, order.lab)
                if isinstance(parcel, Result):
                    yield parcel
                    continue
                key = f"grade-{order.lab}-{run}-{submission.student}"
                # In the task, not scattered: data on a worker that is lost would be lost with it.
                future = client.submit(task, order, parcel, mine, key=key, pure=False, retries=RETRIES)
                in_hand[key] = submission, future
                future.add_done_callback(lambda future: done.put(future.key))
            try:
                submission, future = in_hand.pop(done.get(timeout=TICK))
            except queue.Empty:
                yield None
            else:
                yield _result(submission, future, order.lab, address)
    finally:
        with contextlib.suppress(Exception):
            client.cancel([future for _, future in in_hand.values()], force=True)
            client.run(dismiss, order, on_error="ignore")
        with contextlib.suppress(Exception):
            client.close()


def task(order: Order, parcel: Parcel, theirs: str) -> dict[str, Any]:
    """Grade one submission, in a Dask worker."""
    mine = signature(order)
    if mine != theirs:
        host = socket.gethostname()
        return {"refused": f"{host} has ConvBook {mine}, and you have {theirs}: install the same on both"}
    place = threading.get_ident(), order
    if place not in _desks:
        _desks[place] = Desk(order)
    try:
        return {"result": _desks[place].grade(parcel).to_json()}
    except GradingError as error:
        return {"refused": str(error)}


def dismiss(order: Order) -> None:
    """Stop the desks that work on an order, in a Dask worker."""
    stop([_desks.pop(place) for place in list(_desks) if place[1] == order])


@functools.lru_cache(maxsize=4)
def signature(order: Order) -> str:
    """Return which ConvBook this is, and a hash of what it grades the order's lab with."""
    try:
        installed = version("convbook")
    except PackageNotFoundError:
        installed = "(not installed)"
    return f"{installed} with grading code {stamp(order.lab, order.released)}"


def _connect(address: str) -> "Client":
    try:
        from distributed import Client
    except ImportError:
        raise GradingError("--scheduler needs Dask: pip install 'convbook[cluster]'") from None
    try:
        return Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise GradingError(f"no Dask scheduler answers at {address}: {reason}") from None


def _room(client: "Client") -> int:
    """Return how many tasks the scheduler may know of; workers may come and go."""
    return AHEAD * max(1, sum(client.nthreads().values()))


def _result(submission: Submission, future: "Future", lab: str, address: str) -> Result:
    """Return what became of a task."""
    from distributed import KilledWorker

    if future.status == "finished":
        answer = future.result()
        if "refused" in answer:
            raise GradingError(answer["refused"])
        try:
            return Result.from_json(answer["result"])
        except ValueError as error:
            return not_run(submission, lab, f"its result was none: {error}")
    if future.status != "error":
        raise GradingError(f"the scheduler at {address} was lost; what is graded is kept")
    trouble = future.exception()
    if isinstance(trouble, KilledWorker):
        return not_run(submission, lab, "every worker of the cluster that had it in hand was lost", RETRIES)
    if isinstance(trouble, ModuleNotFoundError):
        raise GradingError(f"a worker of the cluster lacks {trouble.name}: install there what runs here")
    if isinstance(trouble, Lost):
        raise GradingError(f"graders do not start on the cluster: {trouble}")
    return not_run(submission, lab, f"{type(trouble).__name__}: {trouble}")
