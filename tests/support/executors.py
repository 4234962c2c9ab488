"""What stands in for the thread that commits: the same thread, at once or when somebody waits."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from broker.errors import TransientError

if TYPE_CHECKING:
    from tests.support.stepping import Worker


class SameThread(Executor):
    """Runs what it is given at once, or, where the worker is late, when somebody waits for it."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See Executor."""
        promise = Promise(self._worker, lambda: fn(*args, **kwargs))
        if not self._worker.late:
            promise.keep()
        return promise


class Promise(Future):
    """What is still to be done."""

    def __init__(self, worker: "Worker", work: Callable[[], Any]) -> None:
        super().__init__()
        self._worker, self._work = worker, work

    def keep(self) -> None:
        """Do it. Raises what ends the process."""
        try:
            done = self._work()
        except Exception as error:  # noqa: BLE001 - as an executor's thread does
            self.set_exception(error)
        else:
            self.set_result(done)

    def result(self, timeout: float | None = None) -> Any:
        """See Future."""
        if not self.done() and timeout is not None:
            try:
                self._worker.at("settle")
            except TransientError as error:
                raise TimeoutError from error
        if not self.done():
            self.keep()
        return super().result(0)
