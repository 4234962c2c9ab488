"""Law 7 on paper: gaps, doubles and anomalies of a span, found in two bytes an offset."""

import numpy as np

from broker.accounts.ledger import ANOMALY, FATE_BITS, FLAGGED, Ledger
from broker.kafka.spans import Span

PUBLISHED, DUPLICATE, DEAD = FATE_BITS["published"], FATE_BITS["duplicate"], FATE_BITS["dead_letter"]


def ledger(*notes, size=10, held=()):
    made = Ledger(Span("alerts", 2, 100, 100 + size))
    for bits, offsets in notes:
        made.note(bits, offsets)
    for offset in held:
        made.hold(offset)
    return made


def defects(made):
    return {name: found.tolist() for name, found in made.defects().items() if len(found)}


def test_one_fate_each_is_no_defect():
    made = ledger((PUBLISHED, range(100, 106)), (DUPLICATE, [106, 107]), (DEAD, [109]), (FATE_BITS["declined"], [108]))
    assert made.fates() == {"published": 6, "duplicate": 2, "declined": 1, "dead_letter": 1}
    assert (defects(made), made.empty) == ({}, 0)


def test_without_a_fate_an_offset_is_a_gap_only_where_it_holds_a_message():
    made = ledger((PUBLISHED, [100, 101, 103]), size=6, held=[101, 104])
    assert made.without_fate().tolist() == [102, 104, 105]
    assert (defects(made), made.empty) == ({"gap": [104]}, 2)


def test_two_fates_and_one_fate_twice_are_doubles():
    made = ledger((PUBLISHED, [100, 101, 101, 102, 103]), (PUBLISHED, [102]), (DEAD, [103]), (DUPLICATE, [104]), size=5)
    assert defects(made) == {"double": [101, 102, 103]}
    assert made.seen(101) == "published, again"
    assert made.seen(103) == "published, dead_letter"


def test_three_hundred_times_is_still_a_double():
    made = ledger(*[(PUBLISHED, [100])] * 300, size=1)
    assert defects(made) == {"double": [100]}


def test_a_flag_wants_its_anomaly_and_an_anomaly_its_flag():
    flagged = PUBLISHED | FLAGGED
    made = ledger((flagged, [100, 101]), (PUBLISHED, [102, 103]), (ANOMALY, [100, 103, 104, 104]), size=4)
    assert defects(made) == {"flagged without its anomaly": [101], "anomaly without its classification": [103]}
    twice = ledger((flagged, [100]), (ANOMALY, [100]), (ANOMALY, [100]), size=1)
    assert defects(twice) == {"anomaly twice": [100]}


def test_what_lies_outside_is_passed_over():
    assert ledger((PUBLISHED, [99, 110, -5, 2**40])).fates()["published"] == 0


def test_order_and_batching_change_nothing():
    rng = np.random.default_rng(3)
    notes = [(bits, rng.integers(95, 115, 3)) for bits in (PUBLISHED, DEAD, ANOMALY, DUPLICATE) for _ in range(2)]
    singly = [(bits, [offset]) for bits, offsets in notes for offset in offsets]
    shuffled = [singly[i] for i in rng.permutation(len(singly))]
    assert defects(ledger(*notes)) == defects(ledger(*shuffled))
