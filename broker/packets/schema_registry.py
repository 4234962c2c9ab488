"""Schemas by id from a Confluent Schema Registry, and what it once said from a folder.

One request is all that is needed, and its answer is hostile until looked at: so the standard library's client, which
reads no more bytes than are asked for, follows no redirect and heeds no proxy.
"""

import hashlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import monotonic
from urllib.parse import urlsplit

import structlog

from broker.errors import PoisonMessage, TransientError
from broker.packets.tame import SCHEMA_BYTES, parsed, unknown

log = structlog.get_logger(__name__)

ANSWER_BYTES = 2 * SCHEMA_BYTES  # a schema is a text within JSON: its quotes are escaped
NOT_FOUND = 40_403  # the registry's own code: the address is right, and there is no such id
REMEDY = "see MISWEEPER_REGISTRY__URL"


@dataclass(frozen=True, slots=True)
class SchemaRegistry:
    """A registry's schemas, by id."""

    url: str
    timeout_s: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """As a dead letter names it."""
        return f"the registry {self.url}"

    def find(self, schema_id: int) -> bytes | None:
        """The schema's JSON; None where the registry says that it has none.

        Raises:
            TransientError: it does not answer, or not as a registry does.
            PoisonMessage: the schema is none that is read here.
        """
        try:
            status, body = self._get(f"/schemas/ids/{schema_id}")
        except (OSError, HTTPException) as error:
            raise self._away(f"does not answer: {str(error) or type(error).__name__}") from error
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._away(f"answers {status}, and no JSON object")
        if status == 404 and answer.get("error_code") == NOT_FOUND:
            return None
        if status != 200 or not isinstance(answer.get("schema"), str):
            raise self._away(f"answers {status}: {ascii(answer.get('message', 'no schema'))[:100]}")
        if answer.get("schemaType", "AVRO") != "AVRO" or answer.get("references"):
            raise unknown(f"schema id {schema_id} of {self.name} is not Avro, or refers to other schemas")
        return str(answer["schema"]).encode("utf-8", "replace")

    def _get(self, path: str) -> tuple[int, bytes]:
        """Status and body, of at most ANSWER_BYTES. Raises OSError, HTTPException, PoisonMessage."""
        parts, until = urlsplit(self.url), monotonic() + self.timeout_s
        port = parts.port
        connection: HTTPConnection = (
            HTTPSConnection(parts.hostname or "", port, timeout=self.timeout_s, context=self.tls)
            if parts.scheme == "https"
            else HTTPConnection(parts.hostname or "", port, timeout=self.timeout_s)
        )
        try:
            connection.request("GET", parts.path.rstrip("/") + path, headers=ACCEPTED | dict(self.headers))
            response = connection.getresponse()
            body = b""
            while piece := response.read1(65_536):
                body += piece
                if len(body) > ANSWER_BYTES:
                    raise unknown(f"{self.name} answers more than {ANSWER_BYTES} bytes: too long for a schema")
                if monotonic() > until:
                    raise TimeoutError(f"not done within {self.timeout_s:g} s")
            return response.status, body
        finally:
            connection.close()

    def _away(self, what: str) -> TransientError:
        return TransientError("registry", f"{self.url} {what}; {REMEDY}")


ACCEPTED = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}


@dataclass(frozen=True, slots=True)
class KeptSchemas:
    """A registry's schemas in a folder, each named by its id and its content's hash: what is damaged is asked again.

    A registry never gives an id to another schema. Where one was set up anew, the folder is to be emptied. What is no
    schema is not kept: it may be a fault that passes.
    """

    registry: SchemaRegistry
    folder: Path

    @property
    def name(self) -> str:
        """As a dead letter names it."""
        return self.registry.name

    def find(self, schema_id: int) -> bytes | None:
        """What `SchemaRegistry.find` gives, without asking it where that is known."""
        if (kept := self._kept(schema_id)) is not None:
            return kept
        if (text := self.registry.find(schema_id)) is not None and is_records(text):
            self._keep(schema_id, text)
        return text

    @property
    def _own(self) -> Path:
        return self.folder / hashlib.sha256(self.registry.url.encode()).hexdigest()[:16]

    def _kept(self, schema_id: int) -> bytes | None:
        try:
            for path in self._own.glob(f"{schema_id}.*.avsc"):
                with path.open("rb") as file:
                    text = file.read(SCHEMA_BYTES + 1)
                if path.name == file_name(schema_id, text):
                    return text
                log.warning("a schema that was kept is damaged, and asked for again", path=str(path))
        except OSError as error:
            log.warning("the folder of schemas cannot be read", folder=str(self._own), error=str(error))
        return None

    def _keep(self, schema_id: int, text: bytes) -> None:
        path = self._own / file_name(schema_id, text)
        try:
            self._own.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._own, suffix=".new", delete=False) as file:
                file.write(text)
            Path(file.name).replace(path)
        except OSError as error:
            log.warning("a schema is not kept: an outage of the registry would delay it", error=str(error))


def is_records(text: bytes) -> bool:
    """Whether an answer is the schema of a record."""
    try:
        parsed(text)
    except PoisonMessage:
        return False
    return True


def file_name(schema_id: int, text: bytes) -> str:
    """The name of the file that keeps a schema."""
    return f"{schema_id}.{hashlib.sha256(text).hexdigest()[:32]}.avsc"
