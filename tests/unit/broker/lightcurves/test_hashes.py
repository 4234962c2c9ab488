"""Every changed word changes a checksum, and every changed bit a row's fingerprint."""

import numpy as np

from broker.lightcurves.hashes import BLOCK, checksums, row_hashes, salts

LARGEST = 2**32 - 1


def sums(words, tails=(), ends=None, seeds=None):
    words = np.atleast_2d(np.array(words, np.uint64))
    tails = np.array(tails, np.uint32)
    ends = np.array([len(tails)] if ends is None else ends, np.int64)
    return checksums(words, tails, ends, np.array(seeds or [0] * len(words), np.uint64)).tolist()


def hashes(mjd=60000.5, flux=10.0, error=1.0, kind=2, salt=1):
    rows, tokens = row_hashes(
        np.array([mjd]).view(np.uint64),
        np.array([flux], np.float32).view(np.uint32),
        np.array([error], np.float32).view(np.uint32),
        np.array([kind], np.uint8),
        np.array([salt], np.uint64),
    )
    return int(rows[0]), int(tokens[0])


def test_checksums_are_the_same_numbers_on_every_machine():
    """Written down here: a change of the first makes every stored light curve unreadable, of the others every state."""
    assert sums([[1, 2, 3]], seeds=[6]) == [0xFC1A0A035DFDF12D]
    assert sums([[1, 2, 3]], [4, 5], seeds=[6]) == [0xFAE59CFED0627C9B]
    assert sums([[1, 2, 3]], [4, 5, 6, 7, 8], seeds=[6]) == [0x36AD4AA3295FEB5B]
    assert sums([list(range(35))], seeds=[6]) == [0xF0C4F3A68F8390AF]


def test_one_changed_bit_changes_a_checksum():
    words = [7, 0, 1 << 63]
    found = {sums([words])[0]}
    for i in range(3):
        for bit in range(64):
            found |= set(sums([[w ^ (1 << bit if i == k else 0) for k, w in enumerate(words)]]))
    for bit in range(64):
        found |= set(sums([words], seeds=[1 << bit]))
    assert len(found) == 1 + 3 * 64 + 64


def test_one_changed_bit_of_a_wide_row_and_the_order_and_number_of_its_words_change_a_checksum():
    words = [((i + 1) * 0x9E3779B97F4A7C15) % 2**64 for i in range(BLOCK * 2 + 3)]
    flipped = [w.copy() for w in [words] * len(words) * 64]
    for number, changed in enumerate(flipped):
        changed[number // 64] ^= 1 << number % 64
    swapped = [words.copy() for _ in words[1:]]
    for at, changed in enumerate(swapped):
        changed[at], changed[at + 1] = words[at + 1], words[at]
    found = {*sums([words, *flipped, *swapped], ends=[0] * (1 + len(flipped) + len(swapped)))}
    found |= {sums([words[:size]])[0] for size in range(len(words))} | {sums([[0] * size])[0] for size in range(40)}
    found |= {sums([words], seeds=[1 << bit])[0] for bit in range(64)}
    assert len(found) == 1 + len(flipped) + len(swapped) + len(words) + 39 + 64


def test_the_order_and_the_number_of_words_count():
    assert len({*sums([[1, 2]]), *sums([[2, 1]]), *sums([[1, 2, 0]]), *sums([[1]]), *sums([[1]], [2])}) == 5


def test_one_changed_bit_of_the_tails_and_their_order_and_number_change_a_checksum():
    tails = [7, 0, LARGEST, 9, 11, 1 << 31, 5]
    found = {sums([1], tails[:size])[0] for size in range(8)} | {sums([1], [*tails, 0])[0]}
    found |= {sums([1], [t ^ (1 << bit if i == k else 0) for k, t in enumerate(tails)])[0]
              for i in range(7) for bit in range(32)}  # fmt: skip
    for i in range(6):
        for j in range(i + 1, 7):
            swapped = list(tails)
            swapped[i], swapped[j] = tails[j], tails[i]
            found |= set(sums([1], swapped))
    assert len(found) == 9 + 7 * 32 + 21


def test_each_row_of_words_has_its_own_share_of_the_tails():
    together = sums([[1], [2], [3]], [10, 11, 12], [2, 2, 3])
    assert together == [*sums([[1]], [10, 11]), *sums([[2]]), *sums([[3]], [12])]


def test_a_row_is_told_from_every_other_and_its_place_from_every_other_place():
    one = hashes()
    others = [hashes(mjd=60000.25), hashes(kind=3), hashes(salt=2)]
    assert all(one[0] != o[0] and one[1] != o[1] for o in others)
    same_place = [hashes(flux=11.0), hashes(error=2.0), hashes(kind=2 + 8)]
    assert all(one[0] != o[0] and one[1] == o[1] for o in same_place)


def test_a_hundred_thousand_rows_have_about_as_many_fingerprints():
    n = 100_000
    rng = np.random.default_rng(1)
    mjd, flux = rng.uniform(59000, 61000, n), rng.normal(size=n).astype(np.float32)
    rows, tokens = row_hashes(
        mjd.view(np.uint64), flux.view(np.uint32), flux.view(np.uint32), np.zeros(n, np.uint8), np.zeros(n, np.uint64)
    )
    assert len(np.unique(np.concatenate([rows, tokens]))) > 2 * n - 30


def test_an_object_has_a_salt_of_its_own():
    assert len(set(salts([b"test/%d" % i for i in range(1000)]).tolist())) == 1000
