"""A real Kafka that speaks TLS: one listener for those who log in by SASL, one for those who show a certificate."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from broker.embedded import EmbeddedKafka, free_port
from broker.embedded.ports import HOST
from tests.support.certificates import Certificates

USER, PASSWORD, CLIENT_SECRET = "sweeper", "s3cr3t-of-kafka", "s3cr3t-of-the-client"
JAAS = "org.apache.kafka.common.security"
LISTENERS = {"CONTROLLER": "PLAINTEXT", "PLAINTEXT": "PLAINTEXT", "SASL": "SASL_SSL", "MTLS": "SSL", "MISNAMED": "SSL"}


class TlsKafka(EmbeddedKafka):
    """Beside its own listener it has SASL (a user, by any mechanism), MTLS, and MISNAMED, which says it is another."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__()
        self.ports = dict.fromkeys(("SASL", "MTLS", "MISNAMED"), 0)
        stores = {"SASL": "server.pem", "MTLS": "server.pem", "MISNAMED": "misnamed.pem"}
        self.settings |= {
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in LISTENERS.items()),
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            "listener.name.sasl.plain.sasl.jaas.config": (
                f'{JAAS}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            ),
            "listener.name.sasl.oauthbearer.sasl.jaas.config": (f"{JAAS}.oauthbearer.OAuthBearerLoginModule required;"),
            "listener.name.mtls.ssl.client.auth": "required",
        }
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            self.settings[f"listener.name.sasl.{mechanism}.sasl.jaas.config"] = (
                f"{JAAS}.scram.ScramLoginModule required;"
            )
        for name, store in stores.items():
            self.settings |= {
                f"listener.name.{name.lower()}.ssl.{key}": value
                for key, value in {
                    "keystore.type": "PEM",
                    "keystore.location": certificates[store],
                    "truststore.type": "PEM",
                    "truststore.location": str(certificates.ca),
                }.items()
            }

    def servers(self, name: str) -> str:
        """The address of a listener."""
        return f"{HOST}:{self.ports[name]}"

    def prepare(self) -> None:
        super().prepare()
        self.ports = {name: free_port() for name in self.ports}
        ours = ",".join(f"{name}://{HOST}:{port}" for name, port in {"PLAINTEXT": self.port, **self.ports}.items())
        path = self.folder / "server.properties"
        lines = [line for line in path.read_text().splitlines() if not line.startswith("listeners=")]
        lines += [f"listeners={ours},CONTROLLER://{HOST}:{self.controller_port}", f"advertised.listeners={ours}"]
        path.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """With the user's password for both kinds of SCRAM."""
        super().start()
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            info = ScramCredentialInfo(mechanism, 4096)
            wish = UserScramCredentialUpsertion(USER, info, PASSWORD.encode())
            for future in admin.alter_user_scram_credentials([wish]).values():
                future.result(30)


@contextmanager
def token_server() -> Iterator[str]:
    """The URL of a server that gives tokens to who knows the client's secret; unsigned, as Kafka's default is."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            pair = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            known = pair == f"{USER}:{CLIENT_SECRET}"
            now = int(time.time())
            claims = {"sub": USER, "iat": now, "exp": now + 600, "scope": "kafka"}
            token = f"{part({'alg': 'none'})}.{part(claims)}."
            answer = {"access_token": token, "token_type": "bearer", "expires_in": 600} if known else {"error": "no"}
            body = json.dumps(answer).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/token"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def part(claims: dict[str, object]) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
