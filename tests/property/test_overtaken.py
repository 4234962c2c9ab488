"""The model of the order of commit, in one run of it: a rebuild puts an alert before one that is planned already."""

from tests.property.test_commit_order import CommitOrder
from tests.support.alerts import record, wire


def test_what_was_planned_before_a_rebuild_put_another_partitions_alert_first_is_the_answer_of_the_log_then():
    told = [wire(record(alertId=n, objectId="x", mjd=1.0, band="u", flux=float(n))) for n in (8, 1, 3)]
    run = CommitOrder()
    try:
        run.begin([])
        one, two = run.workers
        run.all_go_on(4, 1)  # each has its partition
        run.produce([(0, told[0])])
        run.resume_until(one, "commit")
        run.lose_the_store()
        run.produce([(1, told[1])])
        run.resume_until(two, "mend")  # there is nothing yet that is committed
        run.resume_until(two, "classified")
        run.produce([(0, told[2])])
        run.resume_until(one, "mend")
        assert run.kafka.committed == [1, 0]
        run.resume_until(one, "read")
        assert [len(log) for log in run.store.logs.values()] == [2]
    finally:
        run.teardown()
