"""The systemd unit: its variables are settings, its command is one, and where systemd is, systemd finds no fault."""

import configparser
import re
import shutil
import subprocess

import pytest

from broker.commands.main import EXIT_CONFIGURATION
from broker.config import Settings, variables
from tests.support.deployed import DEPLOY, parsed, settings_of

FILE = DEPLOY / "systemd" / "misweeper@.service"
TEXT = FILE.read_text()
ENVIRONMENT = dict(
    part.replace("%i", "1").replace("%l", "host").split("=", 1)
    for line in re.findall(r"^Environment=(.+)$", TEXT, re.MULTILINE)
    for part in line.split()
)


@pytest.fixture(scope="module")
def service():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string(TEXT)
    return unit["Service"]


def test_its_variables_are_settings_and_each_worker_has_its_own_name_and_port():
    assert {name for name in ENVIRONMENT if name.startswith("MISWEEPER_")} <= set(variables())
    settings = settings_of(ENVIRONMENT)
    assert (settings.worker, settings.http.port, settings.log.form) == ("host-1", 9461, "json")


def test_what_is_written_lies_in_the_folder_that_it_is_given(service):
    folder = f"/var/cache/{service['CacheDirectory']}/"
    assert ENVIRONMENT["NUMBA_CACHE_DIR"].startswith(folder)
    assert ENVIRONMENT["MISWEEPER_REGISTRY__CACHE"].startswith(folder)


def test_its_command_is_one(service):
    program, *arguments = service["ExecStart"].split()
    assert program.endswith("/bin/misweeper")
    assert parsed(arguments).info_name == "run"


def test_a_wrong_setting_does_not_start_it_again_and_again(service):
    assert service["RestartPreventExitStatus"] == str(EXIT_CONFIGURATION)


def test_there_is_time_to_finish_the_batch_in_hand(service):
    assert float(service["TimeoutStopSec"]) > Settings().shutdown_timeout_s


def test_it_has_no_right_that_it_does_not_need(service):
    assert service["DynamicUser"] == service["NoNewPrivileges"] == service["PrivateTmp"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"
    assert "MemoryDenyWriteExecute" not in service  # numba compiles
    assert "ProcSubset" not in service  # torch reads /proc/cpuinfo


def test_systemd_finds_no_fault(tmp_path):
    if (analyze := shutil.which("systemd-analyze")) is None:
        return  # a machine without systemd has nobody to ask; the tests above are asked everywhere
    unit = tmp_path / "misweeper@1.service"
    unit.write_text(TEXT.replace("/opt/misweeper/bin/misweeper run", "/bin/true"))
    done = subprocess.run([analyze, "verify", "--man=no", unit], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
