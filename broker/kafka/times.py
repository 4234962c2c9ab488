"""The times that must fit each other, in one place.

TRY_S < NEVER_S              a call is let end by itself before it is given up
NEVER_S < SETTLE_S           what Kafka takes in time is waited for before partitions are given up
SETTLE_S <= TRANSACTION_S    and no longer than until Kafka itself ends the transaction
3 (GIVE_UP_S + NEVER_S) < MAX_POLL_S
                             a commit, its abort and a new producer may each be given up before the group expels
                             a worker that does not poll
TRANSACTION_S < CUT_OFF_S    nothing of a client that is given up is in flight any more
2 TRANSACTION_S < FENCED_AGAIN_S
                             who is slow is fenced by Kafka less often than by another worker of its name
"""

TRY_S = 2.5  # one try of a call
NEVER_S = 2 * TRY_S  # a call that has not returned by then never will
SETTLE_S = 8.0  # for what is in flight, before partitions are given up
TRANSACTION_S = 10.0  # how long a killed worker holds its readers up
GIVE_UP_S = 30.0  # of each phase of a commit; then the source is polled before the next try
FENCED_AGAIN_S = 60.0  # so soon it is another worker of this name; else a transaction took longer than it may
MAX_POLL_S = 300.0  # after so long without a poll the group expels a worker
CUT_OFF_S = 15.0  # without an answer, though Kafka answers others: then a new client tries
LONGEST_CUT_OFF_S = 600.0
