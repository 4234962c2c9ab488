"""The model of the order of commit, in single runs of it that were hard to find."""

import pytest

from tests.property.test_commit_order import CommitOrder
from tests.support.alerts import record, wire
from tests.support.stepping import DIE, GO


@pytest.fixture
def run():
    run = CommitOrder()
    run.begin([])
    run.all_go_on(4, 1)  # each of two workers has its partition
    yield run
    run.teardown()


def alert(number: int, mjd: float = 1.0) -> bytes:
    return wire(record(alertId=number, objectId="x", mjd=mjd, band="u", flux=float(number)))


def entries(run: CommitOrder) -> list[int]:
    return [len(log) for log in run.store.logs.values()]


def rebuilt_by_two_before_one_commits(run: CommitOrder) -> None:
    """The first worker has written an alert and is about to commit it; the other has rebuilt the store."""
    one, two = run.workers
    run.produce([(0, alert(8))])
    run.resume_until(one, "commit")
    run.lose_the_store()
    run.produce([(1, alert(1))])
    run.resume_until(two, "mend")  # there is nothing yet that is committed
    assert entries(run) == []


def test_what_was_planned_before_a_rebuild_put_another_partitions_alert_first_is_the_answer_of_the_log_then(run):
    rebuilt_by_two_before_one_commits(run)
    one, two = run.workers
    run.resume_until(two, "classified")
    run.produce([(0, alert(3))])
    run.resume_until(one, "mend")
    assert run.kafka.committed == [1, 0]
    run.resume_until(one, "read")
    assert entries(run) == [2]


@pytest.mark.parametrize("dies", [False, True])
def test_what_a_worker_has_committed_before_it_saw_the_loss_is_taken_over_by_the_next(run, dies):
    rebuilt_by_two_before_one_commits(run)
    one, two = run.workers
    run.resume(two, GO, 40)
    assert run.kafka.committed == [0, 1]
    if dies:
        run.resume_until(one, "committed")
        run.resume(one, DIE)
        run.notice_the_dead()
    else:
        one.stopping = True
        run.resume(one, GO, 40)
    assert run.kafka.committed == [1, 1]
    run.produce([(0, alert(3, mjd=2.0))])
    run.resume(two, GO, 60)
    assert entries(run) == [3]
    assert [said["observations"] for _, said in run.published()] == [1, 1, 2], "two of them have the same time and band"


def test_an_alert_may_stand_behind_a_later_one_where_its_object_was_refused_and_its_worker_expelled(run):
    zombie, two = run.workers
    run.hold_what_is_not_ours(b"plasticc/x", ours=False)
    run.produce([(0, alert(1, mjd=1.0)), (0, b"\x02poison"), (0, b"\x02poison"), (0, alert(2, mjd=2.0))])
    zombie.patience = 9  # its commit is slow
    run.resume_until(zombie, "classified")  # its first alert is set aside
    run.resume_until(zombie, "states")  # of its second batch
    run.kafka.expel(zombie.source.member)
    run.hold_what_is_not_ours(b"plasticc/x", ours=True)
    run.resume_until(zombie, "classified")
    assert entries(run) == [1]
    run.resume(two, GO, 60)
    assert run.kafka.committed == [4, 0]
    assert [said["fate"] for _, said in run.published()] == ["published", "dead_letter", "dead_letter", "published"]
