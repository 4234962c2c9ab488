import pytest

from broker.commands.web import read_password
from broker.errors import StartupError


def test_a_file_holds_user_and_password(tmp_path):
    file = tmp_path / "password"
    file.write_text("ada:se:cret\n")
    assert read_password(file) == "ada:se:cret"
    assert read_password(None) is None


@pytest.mark.parametrize("content", [b"", b"ada", b"ada:", b":secret", b"a:b\nc:d", b"\xff\xfe"])
def test_what_holds_none_is_said_and_not_shown(tmp_path, content):
    file = tmp_path / "password"
    file.write_bytes(content)
    with pytest.raises(StartupError) as error:
        read_password(file)
    assert str(file) in str(error.value)
    assert "secret" not in str(error.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(StartupError, match="No such file"):
        read_password(tmp_path / "none")
