"""What a value may be, in alerts and in files alike.

The bounds are wider than any telescope's and narrower than float32: within them every feature is finite.
"""

LATEST_MJD = 200_000.0  # the year 2406: a Julian date, or seconds, in place of an MJD is caught
BRIGHTEST_NJY = 1e12  # 1.4 mag AB; surveys saturate above 10
SMALLEST_ERROR_NJY = 1e-4  # 41 mag AB; a flux in Jy or mJy in place of nJy is caught
LARGEST_PHOTOZ = 20.0
LARGEST_MWEBV = 1000.0  # mag
UNKNOWN_PHOTOZ = -9.0  # SNANA's and ELAsTiCC's word for a photo-z that nobody knows


def time_unit(value: float) -> str:
    """What a number looks like that is no MJD, and how to make one of it."""
    if 2_400_000 <= value < 2_700_000:
        return "it looks like a Julian date: subtract 2400000.5"
    if 1e8 <= value < 1e11:
        return "it looks like seconds since 1970 (Unix time): divide by 86400 and add 40587"
    if 1e11 <= value < 1e14:
        return "it looks like milliseconds since 1970: divide by 86400000 and add 40587"
    return f"a time is an MJD, between 0 and {LATEST_MJD:.0f} days"
