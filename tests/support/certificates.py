"""Certificates made for a test: an authority, what it signed, and what another signed."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

PASSPHRASE = "s3cr3t-of-the-key"


@dataclass(frozen=True)
class Certificates:
    """Files in one folder, all PEM."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificates":
        ours, strangers = trustme.CA(organization_name="ours"), trustme.CA(organization_name="strangers")
        made = cls(folder)
        ours.cert_pem.write_to_path(made.ca)
        strangers.cert_pem.write_to_path(made.other_ca)
        for name, leaf in (
            ("server", ours.issue_cert("127.0.0.1", "localhost", common_name="server")),
            ("misnamed", ours.issue_cert("elsewhere.invalid", common_name="misnamed")),
            ("client", ours.issue_cert("sweeper", common_name="sweeper")),
            ("stranger", strangers.issue_cert("sweeper", common_name="sweeper")),
        ):
            made.write(name, leaf)
        return made

    def write(self, name: str, leaf: trustme.LeafCert) -> None:
        """The certificate, its key as Java wants it, both in one file, and the key once more with a passphrase."""
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE.encode()))
        for suffix, content in ((".crt", chain), (".key", plain), (".pem", plain + chain), (".locked", locked)):
            (self.folder / f"{name}{suffix}").write_bytes(content)

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def other_ca(self) -> Path:
        return self.folder / "other-ca.crt"

    def __getitem__(self, name: str) -> str:
        """The path of a file as text: `certificates["client.key"]`."""
        return str(self.folder / name)
