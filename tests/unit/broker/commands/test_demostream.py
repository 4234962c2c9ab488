"""What the demo sends."""

from itertools import islice, pairwise

import pandas as pd
import pytest

from broker.commands import demostream
from broker.commands.demostream import HELDOUT, TOPICS, chosen, demo_packets, packet_count
from broker.commands.replay import read_alerts
from broker.errors import StartupError
from broker.replays.makers import MAKERS


def test_surveys_are_chosen_once_each_and_all_are_all():
    assert chosen(["ztf", "native", "ztf"]) == ["ztf", "native"]
    assert chosen(["ztf", "all"]) == list(MAKERS) == list(TOPICS)
    with pytest.raises(StartupError, match=r"no survey \[/x\]\\x1b in the demo; give one of native, rubin, ztf"):
        chosen(["[/x]\x1b"])


@pytest.mark.parametrize("survey", ["native", "rubin", "ztf"])
def test_packets_are_counted_without_being_made(survey, tmp_path, monkeypatch):
    few = tmp_path / "few.parquet"
    rows = pd.read_parquet(HELDOUT)
    rows[rows["object_id"].isin(rows["object_id"].unique()[:30])].to_parquet(few)
    monkeypatch.setattr(demostream, "HELDOUT", few)
    assert packet_count([survey]) == sum(1 for _ in MAKERS[survey](read_alerts(few))) > 100


def test_all_surveys_are_sent_at_once_each_in_order_of_time():
    sent = list(demo_packets(list(MAKERS), 300))
    assert len(sent) == 300
    for topic in TOPICS.values():
        rows = [packet.alert_id for to, packet in sent if to == topic]  # numbered in the file's order of time
        assert len(rows) > 10
        assert all(a < b for a, b in pairwise(rows))
    assert [packet for _, packet in demo_packets(["native"], 5)] == list(
        islice(MAKERS["native"](read_alerts(HELDOUT)), 5)
    )
