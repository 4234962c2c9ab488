"""Calls to Kafka's transaction coordinator: repeated while that is right, and never waited for without end."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from time import monotonic
from typing import TypeVar

from confluent_kafka import KafkaException

from broker.kafka.times import NEVER_S, TRY_S

T = TypeVar("T")


def insist(
    call: Callable[[float], object], give_up_s: float, on_trouble: Callable[[str], None] = lambda _: None
) -> None:
    """Repeat a call while its error says that repeating it is right; librdkafka takes it up where it was.

    Args:
        call: takes the time that it may last [s].
        give_up_s: when its last error is raised.
        on_trouble: told what is wrong before each new try.

    Raises KafkaException, or TimeoutError where the call never returns.
    """
    began = monotonic()
    while True:
        try:
            bounded(lambda: call(TRY_S))
        except KafkaException as error:
            if not error.args[0].retriable() or monotonic() - began > give_up_s:
                raise
            on_trouble(error.args[0].str())
        else:
            return


def bounded(call: Callable[[], T]) -> T:
    """What a call returns or raises, or TimeoutError: where Kafka goes away, some of librdkafka's never return.

    Its issues 5456 and 5511: a request to a coordinator that is gone ignores its timeout. The call goes on in a thread
    of its own, which holds its producer and keeps no process from ending.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised where the answer is awaited
            answer.set_exception(error)

    Thread(target=work, name="transaction", daemon=True).start()
    try:
        return answer.result(NEVER_S)
    except TimeoutError:
        raise TimeoutError(f"Kafka's client did not return within {NEVER_S:.0f} s") from None
