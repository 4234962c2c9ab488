"""No secret is in the tree: no key, no token, no file that holds such, and no password but placeholders."""

import re

import pytest

from tests.unit.test_tree import ROOT, tracked_files

# In pieces, so that this file does not hold what it looks for.
SECRETS = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE" + r" KEY( BLOCK)?-----",
    "a key of AWS": r"\b(AKIA|ASIA)" + r"[0-9A-Z]{16}\b",
    "a token of GitHub": r"\b(gh[pousr]_[A-Za-z0-9]{36}|github_" + r"pat_[A-Za-z0-9_]{22,})\b",
    "a token of GitLab": r"\bglpat" + r"-[A-Za-z0-9_-]{20,}",
    "a token of Slack": r"\bxox[abprs]" + r"-[A-Za-z0-9-]{10,}",
    "a token of a package registry": r"\bpypi-" + r"AgE[A-Za-z0-9_-]{20,}|\bnpm_" + r"[A-Za-z0-9]{36}\b",
    "a key of Google": r"\bAIza" + r"[A-Za-z0-9_-]{35}\b",
    "a key of Hugging Face or of a model's service": r"\bhf_" + r"[A-Za-z0-9]{30,}\b|\bsk-" + r"[A-Za-z0-9_-]{32,}",
    "a signed token": r"\beyJ[A-Za-z0-9_-]{10,}\." + r"eyJ[A-Za-z0-9_-]{10,}\.",
}
EXAMPLES = {
    "a private key": "-----BEGIN RSA PRIVATE" + " KEY-----",
    "a key of AWS": "AKIA" + "Q" * 16,
    "a token of GitHub": "ghp_" + "a1" * 18,
    "a token of GitLab": "glpat" + "-" + "a1" * 10,
    "a token of Slack": "xoxb" + "-1234567890",
    "a token of a package registry": "pypi-" + "AgE" + "a1" * 20,
    "a key of Google": "AIza" + "a1" * 17 + "b",
    "a key of Hugging Face or of a model's service": "hf_" + "a1" * 16,
    "a signed token": "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiIxMjM0" + ".",
}
HOLDERS = re.compile(
    r".*\.(pem|key|p12|pfx|jks|keystore|kdbx)|\.env(\..+)?|\.netrc|\.pypirc|\.npmrc|id_(rsa|ed25519)|.*credentials.*"
)
PASSWORD = re.compile(r"""://[^/@\s"'`]*:([^/@\s"'`{}]+)@""")
PLACEHOLDERS = {"password", "PASSWORD"}


def texts():
    """Every tracked file that is text, with its name."""
    for file in tracked_files():
        try:
            yield file.relative_to(ROOT).as_posix(), file.read_text()
        except UnicodeDecodeError:
            continue  # weights, light curves


@pytest.mark.parametrize("kind", SECRETS)
def test_no_secret_of_this_kind_is_in_the_tree(kind):
    assert re.search(SECRETS[kind], EXAMPLES[kind]), "the pattern does not see its own example"
    assert [name for name, text in texts() if re.search(SECRETS[kind], text)] == []


def test_no_file_is_of_a_kind_that_holds_secrets():
    assert HOLDERS.fullmatch("server.key")
    assert HOLDERS.fullmatch(".env")
    assert [file for file in tracked_files() if HOLDERS.fullmatch(file.name)] == []


def test_no_address_outside_the_tests_has_a_password_in_it():
    """What tests log in with is made up there, for servers that live as long as a test."""
    assert PASSWORD.search("redis://:hunter2@host:6379")
    found = {(name, password) for name, text in texts() for password in PASSWORD.findall(text)}
    assert {(n, p) for n, p in found if not n.startswith("tests/") and p not in PLACEHOLDERS} == set()
