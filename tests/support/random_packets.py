"""Random writers' schemas, bodies in them and fields wanted of them, all from one random generator."""

import struct
from random import Random

from broker.surveys.fields import Field, Fields, Kind, Table
from tests.support.hostile import text, zigzag

KINDS = {
    "int": (Kind.LONG, Kind.DOUBLE),
    "long": (Kind.LONG, Kind.DOUBLE),
    "float": (Kind.DOUBLE,),
    "double": (Kind.DOUBLE,),
    "boolean": (Kind.BOOL,),
    "string": (Kind.TEXT,),
    "enum": (Kind.TEXT,),
}
PRIMITIVES = ("null", "bytes", *KINDS)[:-1]
TEXTS = ("", "r", "g", "abc", "π", "日本", "🔭", "x" * 130, "y" * 127)
LONGS = (0, -1, 1, 63, 64, -65, 2**31, -(2**63), 2**63 - 1)


class Maker:
    """Makes schemas and what is written in them. Items of arrays have at least a byte, so that no count is free."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.named: dict[str, dict] = {}
        self.values = {
            "null": bytes,
            "enum": lambda: zigzag(random.randrange(3)),
            "int": lambda: zigzag(random.choice(LONGS)),
            "long": lambda: zigzag(random.choice(LONGS)),
            "float": lambda: struct.pack("<f", random.choice([0.0, -1.5, float("nan"), float("inf"), random.random()])),
            "double": lambda: struct.pack("<d", random.random()),
            "boolean": lambda: bytes([random.randrange(2)]),
            "string": self.string,
            "bytes": lambda: text(random.randbytes(random.randrange(4))),
        }
        self.nulls = random.choice([0.0, 0.05, 0.5, 1.0])  # how often a nullable is null: alike rows or not

    def name(self, prefix: str) -> str:
        return f"{prefix}{len(self.named)}"

    def schema(self, depth: int = 3):
        """Any type."""
        kinds = ["primitive"] * 4 + ["nullable"] * 4 + ["enum", "fixed", "logical", "again"]
        kinds += ["union", "array", "map", "record", "record", "list"] if depth else []
        return getattr(self, self.random.choice(kinds))(depth)

    def primitive(self, depth: int):
        return self.random.choice(PRIMITIVES)

    def logical(self, depth: int):
        return self.random.choice(
            [{"type": "long", "logicalType": "timestamp-micros"}, {"type": "string", "logicalType": "uuid"}]
        )

    def nullable(self, depth: int):
        other = self.unlike({"null"}, depth)
        return self.random.sample(["null", other], 2)

    def union(self, depth: int):
        branches: dict = {}
        for _ in range(self.random.randint(1, 4)):
            branch = self.unlike(set(branches), depth)
            branches[self.union_kind(branch)] = branch
        return list(branches.values())

    def unlike(self, others: set[str], depth: int):
        """A branch of a union that has those others; what is drawn in vain defines no name."""
        while True:
            before = dict(self.named)
            drawn = self.schema(max(depth - 1, 0))
            if self.union_kind(drawn) not in {"union", *others}:
                return drawn
            self.named = before

    def union_kind(self, schema) -> str:
        if isinstance(schema, list):
            return "union"
        return schema if isinstance(schema, str) else schema.get("name", schema["type"])

    def enum(self, depth: int):
        return self.define(
            {"type": "enum", "name": self.name("E"), "symbols": self.random.sample(["u", "g", "r", "zz"], 3)}
        )

    def fixed(self, depth: int):
        return self.define({"type": "fixed", "name": self.name("F"), "size": self.random.choice([1, 5, 70])})

    def define(self, schema: dict) -> dict:
        self.named[schema["name"]] = schema
        return schema

    def again(self, depth: int):
        """A type that has been defined before, by its name."""
        return self.random.choice([name for name, schema in self.named.items() if "open" not in schema] or ["long"])

    def array(self, depth: int):
        return {"type": "array", "items": self.record(depth)}

    def list(self, depth: int):
        return {"type": "array", "items": self.unlike({"null"}, depth)}

    def map(self, depth: int):
        return {"type": "map", "values": self.schema(depth - 1)}

    def record(self, depth: int):
        schema = self.define({"type": "record", "name": self.name("R"), "open": True})
        fields = [self.schema(depth - 1) for _ in range(self.random.randint(1, 7))]
        fields += [["null", schema["name"]]] if self.random.random() < 0.2 else []  # it may hold itself
        schema["fields"] = [{"name": f"f{i}", "type": kind} for i, kind in enumerate(["boolean", *fields])]
        del schema["open"]
        return schema

    def shape(self, schema):
        """A type's definition; a union's is its list."""
        return self.named.get(schema, {"type": schema}) if isinstance(schema, str) else schema

    def body(self, schema, depth: int = 0) -> bytes:
        """Bytes of a type."""
        random, shape = self.random, self.shape(schema)
        if isinstance(shape, list):
            nulls = [i for i, branch in enumerate(shape) if branch == "null"]
            index = random.randrange(len(shape))
            if nulls and (depth > 8 or len(shape) == 2):
                index = nulls[0] if depth > 8 or random.random() < self.nulls else (nulls[0] + 1) % len(shape)
            return zigzag(index) + self.body(shape[index], depth + 1)
        match shape["type"]:
            case "record":
                return b"".join(self.body(field["type"], depth + 1) for field in shape["fields"])
            case "array":
                return self.blocks(lambda: self.body(shape["items"], depth + 1), depth)
            case "map":
                return self.blocks(lambda: self.string() + self.body(shape["values"], depth + 1), depth)
            case "fixed":
                return random.randbytes(shape["size"])
        return self.values[shape["type"]]()

    def string(self) -> bytes:
        return text(self.random.choice(TEXTS[:4] if self.random.random() < 0.8 else TEXTS).encode())

    def blocks(self, item, depth: int) -> bytes:
        """Blocks of items, some of which say how many bytes they have."""
        out = b""
        for _ in range(self.random.randrange(3 if depth < 6 else 1)):
            items = [item() for _ in range(self.random.randint(1, 5))]
            data = b"".join(items)
            sized = self.random.random() < 0.4
            out += (zigzag(-len(items)) + zigzag(len(data)) if sized else zigzag(len(items))) + data
        return out + b"\x00"

    def paths(self, schema, depth: int = 4):
        """Each path through records: its end's type, and how it may be read."""
        for shape in (self.shape(s) for s in (schema if isinstance(schema, list) else [schema])):
            if shape["type"] == "record" and depth:
                for field in shape["fields"]:
                    yield field["name"], field["type"]
                    yield from (
                        (f"{field['name']}.{path}", end)
                        for path, end in self.paths(self.shape(field["type"]), depth - 1)
                    )

    def fields(self, schema, *, tables: bool = True) -> Fields:
        """Some of what could be wanted, and now and then what could not."""
        found: dict[str, Field | Table] = {}
        for path, end in dict(self.paths(schema)).items():
            shapes = [self.shape(s) for s in (self.shape(end) if isinstance(self.shape(end), list) else [end])]
            kinds = {kind for s in shapes for kind in KINDS.get(s["type"], ())}
            arrays = [s for s in shapes if s["type"] == "array"]
            if kinds and self.random.random() < 0.4:
                kind = self.random.choice(sorted(kinds))
                choices = (b"r", b"g", "π".encode()) if kind is Kind.TEXT and self.random.random() < 0.5 else ()
                found[path] = Field(("nowhere", path), kind, self.random.random() < 0.9, choices)
            elif arrays and tables and self.random.random() < 0.8:
                found[path] = Table((path,), self.fields(arrays[0]["items"], tables=False))
        found["absent"] = Field(("absent",), self.random.choice(list(Kind)), required=False)
        return found


def mutated(body: bytes, random: Random) -> bytes:
    """A body with a few bytes changed, taken out or put in."""
    out = bytearray(body)
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(out) + 1)
        match random.randrange(4):
            case 0:
                del out[place:]
            case 1:
                out[place:place] = random.choice([b"\x80\x00", b"\xff" * 9, zigzag(2**40), random.randbytes(2)])
            case 2 if place < len(out):
                out[place] ^= 1 << random.randrange(8)
            case 3 if place < len(out):
                out[place] = random.choice([0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF])
    return bytes(out)
