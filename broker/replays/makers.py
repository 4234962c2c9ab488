"""The surveys whose packets can be made of light curves."""

from collections.abc import Callable, Iterable, Iterator

from broker.replays.elasticc import elasticc_packets
from broker.replays.native import native_packets
from broker.replays.packet import Packet, Record
from broker.replays.rubin import rubin_packets
from broker.replays.ztf import ztf_packets

MAKERS: dict[str, Callable[[Iterable[Record]], Iterator[Packet]]] = {
    "native": native_packets,
    "rubin": rubin_packets,
    "ztf": ztf_packets,
    "elasticc": elasticc_packets,
}
