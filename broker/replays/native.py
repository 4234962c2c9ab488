"""Light curves as native alerts: one an observation, detected or not."""

from collections.abc import Iterable, Iterator

from broker.packets.framings import encode
from broker.replays.packet import Packet, Record


def native_packets(records: Iterable[Record]) -> Iterator[Packet]:
    """A packet an alert, in Confluent's wire framing, keyed by object."""
    for record in records:
        name, alert_id = record["objectId"], record["alertId"]
        survey = record["survey"]
        yield Packet(encode(record, "observation"), name.encode(), survey, name, alert_id, made_of=name)
