"""Checksums and fingerprints of rows, made by arithmetic that is the same on every machine.

Each step is a bijection of each word that it is given, so one changed word always changes the result. They
protect from damage and mix-ups, not from an adversary who can write to Redis.
"""

from zlib import crc32

import numba
import numpy as np
from numpy.typing import NDArray

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # splitmix64's (Steele et al. 2014)
TOKEN = np.uint64(1 << 20)  # tells "something was detected here" from a row
LANES = (np.uint64(1), np.uint64(2), np.uint64(3))  # begin the other values of a row of blocks
BLOCK = 16  # words; the rows of an entry of a light curve have fewer, those of a state many more


@numba.njit(cache=True, nogil=True, inline="always")
def mix(value: np.uint64) -> np.uint64:
    """One word, well stirred."""
    value = (value ^ (value >> np.uint64(30))) * FIRST
    value = (value ^ (value >> np.uint64(27))) * SECOND
    return value ^ (value >> np.uint64(31))


def salts(keys: list[bytes]) -> U64:
    """A number [b] for each object: what belongs to one is never taken for another's."""
    return np.fromiter(map(crc32, keys), dtype=np.uint64, count=len(keys))


@numba.njit(cache=True, nogil=True)
def row_hashes(mjd: U64, flux: U32, error: U32, kind: NDArray[np.uint8], salt: U64) -> tuple[U32, U32]:
    """Four bytes [m] for each observation, and four for "detected in this band at this time".

    Args:
        mjd: [m], the bits of the time.
        flux: [m], the bits of the flux.
        error: [m], the bits of its error.
        kind: [m], band in the low 3 bits, then whether it is a detection.
        salt: [m], of the row's object.
    """
    rows, tokens = np.empty(len(mjd), np.uint32), np.empty(len(mjd), np.uint32)
    for i in range(len(mjd)):
        time = mix(mjd[i] ^ mix(salt[i]))
        band = np.uint64(kind[i] & np.uint8(7))
        tokens[i] = np.uint32(mix(time ^ (band | TOKEN)) >> np.uint64(32))
        brightness = (np.uint64(flux[i]) << np.uint64(32)) | np.uint64(error[i])
        rows[i] = np.uint32(mix(mix(time ^ brightness) ^ np.uint64(kind[i])) >> np.uint64(32))
    return rows, tokens


@numba.njit(cache=True, nogil=True)
def checksums(words: U64, tails: U32, tail_ends: NDArray[np.int64], seeds: U64) -> U64:
    """A checksum [b] over each row of words [b, w] and its share of the tails, begun with its seed [b].

    Whole blocks of words go in turn into four values, and the tails, two and two in a word, into two, so that none
    waits for the others.
    """
    found = np.empty(len(seeds), np.uint64)
    blocks, start = words.shape[1] - words.shape[1] % BLOCK, 0
    for i in range(len(seeds)):
        value = mix(seeds[i])
        if blocks:
            second, third, fourth = mix(value ^ LANES[0]), mix(value ^ LANES[1]), mix(value ^ LANES[2])
            for j in range(0, blocks, 4):
                value = mix(value ^ words[i, j])
                second = mix(second ^ words[i, j + 1])
                third = mix(third ^ words[i, j + 2])
                fourth = mix(fourth ^ words[i, j + 3])
            value = mix(mix(mix(value ^ second) ^ third) ^ fourth)
        for j in range(blocks, words.shape[1]):
            value = mix(value ^ words[i, j])
        size = tail_ends[i] - start
        if size:
            other = mix(np.uint64(size))
            for j in range(start, start + size - size % 4, 4):
                value = mix(value ^ pair(tails[j], tails[j + 1]))
                other = mix(other ^ pair(tails[j + 2], tails[j + 3]))
            for j in range(start + size - size % 4, tail_ends[i]):
                value = mix(value ^ np.uint64(tails[j]))
            value = mix(value ^ other)
        start = tail_ends[i]
        found[i] = mix(value ^ np.uint64(words.shape[1]))
    return found


@numba.njit(cache=True, nogil=True, inline="always")
def pair(one: np.uint32, other: np.uint32) -> np.uint64:
    """Two numbers as one word."""
    return np.uint64(one) | np.uint64(other) << np.uint64(32)
