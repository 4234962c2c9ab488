"""Secrets that an environment variable may hold, and that are hard to hide."""

ODD = {
    "slash": "s3cr/3tXYZ",
    "at": "s3cr@3tXYZ",
    "percent": "s3cr%2F3tXYZ",
    "a broken percent": "s3cr%zz3tXYZ",
    "hash": "s3cr#3tXYZ",
    "space": " s3cr 3tXYZ ",
    "quotes": "s3cr'\"3tXYZ",
    "backslash": "s3cr\\3tXYZ",
    "colon": "s3cr:3tXYZ",
    "question": "s3cr?3tXYZ=1&b",
    "bracket": "s3cr[3tXYZ]",
    "unicode": "s3crпä3tXYZ",
    "very long": "s3cr" + 5000 * "3tXYZ",
    "markup": "[red]s3cr3tXYZ[/red]",
    "a line break": "s3cr\n3tXYZ",
}
PART = "3tXYZ"  # of each of them, and of no text of ours
