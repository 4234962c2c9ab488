"""The 14 classes of PLAsTiCC in the order of every probability vector, and class 99.

Source: PLAsTiCC (doi:10.5281/zenodo.2539456); ELAsTiCC identifiers from DESC's taxonomy. The weights are
those of the PLAsTiCC metric (arXiv:1809.11145): 2 for the classes 15, 64 and 99, 1 for the others.
"""

from dataclasses import dataclass

ANOMALY_CLASS = 99  # "none of these"
GALACTIC_CLASSES = frozenset({6, 16, 53, 65, 92})  # exactly the classes whose hosts have photo-z = 0


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """One class: its PLAsTiCC number, its name, its ELAsTiCC number and its weight in the PLAsTiCC metric."""

    plasticc_id: int
    name: str
    elasticc_id: int
    weight: float = 1.0

    @property
    def galactic(self) -> bool:
        """Whether objects of this class lie in our own Galaxy."""
        return self.plasticc_id in GALACTIC_CLASSES


CLASSES = (
    ObjectClass(6, "microlensing", 2235),
    ObjectClass(15, "TDE", 2243, weight=2.0),
    ObjectClass(16, "eclipsing binary", 2325),
    ObjectClass(42, "SN II", 2224),
    ObjectClass(52, "SN Iax", 2225),
    ObjectClass(53, "Mira", 2326),
    ObjectClass(62, "SN Ibc", 2223),
    ObjectClass(64, "kilonova", 2232, weight=2.0),
    ObjectClass(65, "M-dwarf flare", 2233),
    ObjectClass(67, "SN Ia-91bg", 2226),
    ObjectClass(88, "AGN", 2332),
    ObjectClass(90, "SN Ia", 2222),
    ObjectClass(92, "RR Lyrae", 2323),
    ObjectClass(95, "SLSN-I", 2242),
)
CLASS_IDS = tuple(c.plasticc_id for c in CLASSES)
CLASS_NAMES = {c.plasticc_id: c.name for c in CLASSES} | {ANOMALY_CLASS: "none of these"}
GALACTIC_MASK = tuple(c.galactic for c in CLASSES)
METRIC_WEIGHTS = tuple(c.weight for c in CLASSES)
