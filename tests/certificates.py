"""Certificates that sign themselves, or that a private authority has issued, made for a test."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in PEM."""

    certificate: str
    key: str

    def server(self, directory: Path) -> ssl.SSLContext:
        """What a server with this certificate speaks TLS with."""
        file = directory / "server.pem"
        file.write_text(self.certificate + self.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


AUTHORITY = ec.generate_private_key(ec.SECP256R1())
"""The key of a private authority that no client knows."""


def certificate_for(
    address: str, issuer: ec.EllipticCurvePrivateKey | None = None, more_names: Sequence[str] = ()
) -> Certificate:
    """A new certificate that names this address, and only that or `more_names`; self-signed unless there is an issuer.

    Like those of many a private authority it does not name its issuer's key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.IPAddress(ip_address(address)), *map(x509.DNSName, more_names)]
    made = (
        x509.CertificateBuilder()
        .subject_name(_name("test"))
        .issuer_name(_name("authority" if issuer else "test"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(issuer or key, hashes.SHA256())
    )
    kept = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(made.public_bytes(serialization.Encoding.PEM).decode(), kept.decode())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
