"""A real Kafka that lets in whom it knows, and lets them do what they may; and one whose name leads nowhere."""

from collections.abc import Iterable

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from broker.embedded import EmbeddedKafka, free_port
from broker.embedded.ports import HOST

PASSWORD = "secret"
NOWHERE = "nowhere.invalid"
MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
PROTOCOLS = {"SASL_PLAINTEXT": "SASL_PLAINTEXT"} | dict.fromkeys(("CONTROLLER", "PLAINTEXT", "LOST"), "PLAINTEXT")

# What a worker needs, by kind of resource.
RIGHTS = {
    ResourceType.TOPIC: (AclOperation.READ, AclOperation.WRITE),
    ResourceType.GROUP: (AclOperation.READ,),
    ResourceType.TRANSACTIONAL_ID: (AclOperation.WRITE,),
}


class SecuredKafka(EmbeddedKafka):
    """Beside its own listener, whose clients may do all, it has two more.

    Args:
        users: who may log in at `secured_servers`, with `PASSWORD`; they have no right until `allow` gives it.
    """

    def __init__(self, users: Iterable[str]) -> None:
        super().__init__()
        known = " ".join(f'user_{name}="{PASSWORD}"' for name in users)
        self.settings |= {
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in PROTOCOLS.items()),
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": f"{MODULE} required {known};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        self.secured_port = self.lost_port = 0

    @property
    def secured_servers(self) -> str:
        """Where users log in."""
        return f"{HOST}:{self.secured_port}"

    @property
    def lost_servers(self) -> str:
        """Answers, and calls itself by a name that nobody resolves."""
        return f"{HOST}:{self.lost_port}"

    def prepare(self) -> None:
        """Two ports more."""
        super().prepare()
        self.secured_port, self.lost_port = free_port(), free_port()
        ours = f"PLAINTEXT://{HOST}:{self.port},SASL_PLAINTEXT://{HOST}:{self.secured_port}"
        path = self.folder / "server.properties"
        lines = [line for line in path.read_text().splitlines() if not line.startswith("listeners=")]
        lines += [
            f"listeners={ours},LOST://{HOST}:{self.lost_port},CONTROLLER://{HOST}:{self.controller_port}",
            f"advertised.listeners={ours},LOST://{NOWHERE}:{self.lost_port}",
        ]
        path.write_text("\n".join(lines) + "\n")

    def allow(self, user: str, prefix: str, but: tuple[ResourceType, AclOperation] | None = None) -> dict[str, str]:
        """Give a user all rights of a worker on what begins with a prefix, but for one; the user's client settings."""
        bindings = [
            AclBinding(
                kind, prefix, ResourcePatternType.PREFIXED, f"User:{user}", "*", operation, AclPermissionType.ALLOW
            )
            for kind, operations in RIGHTS.items()
            for operation in operations
            if (kind, operation) != but
        ]
        self._give(bindings)
        return self.login(user)

    def allow_one(self, user: str, name: str, kind: ResourceType, operation: AclOperation) -> None:
        """Give a user one right on one thing."""
        literal = ResourcePatternType.LITERAL
        self._give([AclBinding(kind, name, literal, f"User:{user}", "*", operation, AclPermissionType.ALLOW)])

    def _give(self, bindings: list[AclBinding]) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        for future in admin.create_acls(bindings).values():
            future.result(30)

    def login(self, user: str, password: str = PASSWORD) -> dict[str, str]:
        """Librdkafka's settings for a user."""
        return {
            "bootstrap.servers": self.secured_servers,
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "PLAIN",
            "sasl.username": user,
            "sasl.password": password,
            "log_level": "2",
        }
