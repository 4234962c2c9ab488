"""The surveys that an object may be of: a closed list, since `survey/objectId` names it for good.

A name that somebody made up, or spelt in another way, would be another object. Our own alerts may name any of them.
"""

RUBIN, ZTF, ELASTICC = b"rubin", b"ztf", b"elasticc"

NAMES = (
    b"plasticc",
    RUBIN,
    b"lsst",  # what our own schema calls Rubin in its examples: not Rubin's packets
    ZTF,
    ELASTICC,
    b"other",  # a survey that has no adapter here: let its name begin the object's
    b"test",
)
EXPECTED = f"one of {b' '.join(NAMES).decode()}"
