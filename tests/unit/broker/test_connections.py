"""A Redis that cannot be reached as it is configured: one sentence that says what to do, and nothing of a secret."""

import pytest
from pydantic import SecretStr

from broker.config import Redis, Settings
from broker.connections import connect_redis, redis_servers
from broker.errors import StartupError


def refused(url: str, **settings) -> str:
    with pytest.raises(StartupError) as raised:
        connect_redis(Settings(redis=Redis(url=SecretStr(url), timeout_s=0.5, **settings)))
    assert raised.value.__cause__ is None
    text = str(raised.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cr3t/part2@host",
        "redis://:s3cr3t?part2=1@host",
        "redis://:s3cr3t#part2@host",
        "redis://:12#s3cr3t@host",
        "redis://:12/s3cr3t@host",
        "redis://user:s3cr3t[part2@host",
        "redis://host:s3cr3t",
        "redis://host/s3cr3t",
        "redis://host:99999999/0",
        "redis://host:0/0",
        "redis:s3cr3t",
        "http://:s3cr3t@host",
        "s3cr3t",
        "",
        "redis://",
        "unix://",
    ],
)
def test_a_url_that_cannot_be_read_says_its_form_and_no_part_of_itself(url):
    text = refused(url)
    assert text.startswith("MISWEEPER_REDIS__URL cannot be read as redis://user:password@host:6379/0")
    assert "s3cr3t" not in text
    assert "part2" not in text


@pytest.mark.parametrize(
    "url", ["redis://:s3cr3t@host?sockettimeout=3", "unix:///no/where?ssl=1", "redis://h?protocol=3"]
)
def test_a_typo_in_the_urls_options_is_named(url):
    text = refused(url)
    assert f"there is no option '{url.partition('?')[2].partition('=')[0]}'; there are db, " in text
    assert "s3cr3t" not in text


@pytest.mark.parametrize(
    "url", ["rediss://host?ssl_cert_reqs=s3cr3t", "redis://host?db=s3cr3t", "redis://h?ssl_ciphers=x"]
)
def test_an_option_that_cannot_be_used_is_named_without_its_value(url):
    text = refused(url)
    assert text.endswith(f"an option cannot be used as it is, of {url.partition('?')[2].partition('=')[0]}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "redis://:s3cr3t@127.0.0.1:1/0",
            "redis: 127.0.0.1:1: connection refused; start Redis or set",
        ),
        (
            "redis://:s3cr3t@no-such-host.invalid",
            "redis: no-such-host.invalid:6379: the host's name is not known",
        ),
        ("unix:///no/such/socket", "redis: /no/such/socket: "),
    ],
)
def test_a_server_that_is_not_there_is_named(url, said):
    text = refused(url)
    assert text.startswith(said)
    assert "s3cr3t" not in text


def test_an_ipv6_address_is_written_with_brackets():
    assert refused("redis://[::1]:1/0").startswith("redis: [::1]:1: ")


def test_a_cluster_has_no_database_no_file_and_no_brace():
    assert "without a database" in refused("redis://host/3", cluster=True)
    assert "without a database" in refused("unix:///some/socket", cluster=True)
    assert "MISWEEPER_REDIS__PREFIX" in refused("redis://host", cluster=True, prefix="a{b}")


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:p%2Fw@host:6380/3",
        "rediss://host?ssl_cert_reqs=required&ssl_check_hostname=true",
        "unix:///some/socket?db=2",
        "redis://:p@ss@[::1]:6379",
        "redis://host/?db=3&client_name=sweeper",
    ],
)
def test_what_redis_understands_is_taken(url):
    redis_servers(Redis(url=SecretStr(url))).close()
