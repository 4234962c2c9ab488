"""Users of a Valkey with the rights that are documented, or with one of them less."""

from pathlib import Path

import redis

CONF = Path(__file__).parents[2] / "deploy" / "valkey.conf"
(LINE,) = (text for text in CONF.read_text().splitlines() if text.startswith("# user misweeper "))
SECRET = "s3cr3t-of-valkey"
COMPLETE = [word.removeprefix("+") for word in LINE.split() if word.startswith("+")]


def allow(client: redis.Redis, user: str, prefix: str, but: str = "") -> None:
    """Make a user, whose password is SECRET, with the documented rights on keys that begin with a prefix."""
    commands = [f"+{command}" for command in COMPLETE if command != but]
    client.execute_command("ACL", "SETUSER", user, "reset", "on", f">{SECRET}", f"~{prefix}*", *commands)
