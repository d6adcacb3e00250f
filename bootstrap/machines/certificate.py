"""Certificates and their keys: generates self-signed ones, checks given ones. Pure; PEM as text."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bootstrap.errors import SettingsError

LIFETIME = timedelta(days=3653)
"""Ten years: the Lambdas trust exactly this certificate, so its age does not matter, and it need not be renewed.
Browsers warn about it in any case."""
CLOCKS_DIFFER = timedelta(days=1)
LONGEST = 8192
"""Bytes that Parameter Store accepts."""
LONGEST_LEAF = 3072
"""Bytes: the Lambdas trust the leaf by a variable of their environment, which holds 4 KB in all."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate, with its chain, and its key."""

    certificate: str
    key: str = field(repr=False)

    @property
    def leaf(self) -> x509.Certificate:
        """The server's own certificate: the first. Raises ValueError."""
        return x509.load_pem_x509_certificates(self.certificate.encode())[0]

    @property
    def leaf_pem(self) -> str:
        """The leaf as PEM, without its chain."""
        return self.leaf.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the leaf, in hex."""
        return self.leaf.fingerprint(hashes.SHA256()).hex()


def self_signed(host: str, subdomains: bool, now: datetime) -> Pair:
    """A new pair for a domain or an IPv4 address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(_names(host, subdomains)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_signs_only(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )


def objection(pair: Pair, host: str, subdomains: bool, now: datetime) -> str:
    """Why this pair cannot serve this host now, as a short phrase; "" if it can."""
    try:
        leaf = pair.leaf
    except (ValueError, IndexError):
        return "the certificate is not PEM"
    try:
        key = serialization.load_pem_private_key(pair.key.encode(), password=None)
    except TypeError:
        return "the key is encrypted: store it without a passphrase"
    except ValueError:
        return "the key is not PEM"
    if key.public_key() != leaf.public_key():
        return "key and certificate do not fit together"
    if now >= leaf.not_valid_after_utc:
        return f"the certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}"
    if now < leaf.not_valid_before_utc:
        return f"the certificate is valid only from {leaf.not_valid_before_utc:%Y-%m-%d}"
    for name in [host, f"*.{host}"] if subdomains else [host]:
        if not _covers(leaf, name):
            return f"the certificate is not for {name}"
    return _chain_objection(pair)


def refuse_unusable(pair: Pair, host: str, subdomains: bool, now: datetime) -> None:
    """SettingsError where an own certificate cannot serve this host now."""
    why = objection(pair, host, subdomains, now)
    if not why and max(len(pair.certificate), len(pair.key)) > LONGEST:
        why = f"the certificate with its chain is longer than {LONGEST} bytes: leave the root certificate out"
    if not why and len(pair.leaf_pem) > LONGEST_LEAF:
        why = f"the certificate itself is longer than {LONGEST_LEAF} bytes as PEM: have it issued for fewer names"
    if why:
        raise SettingsError(f"manager.certificate: {why}")


def _names(host: str, subdomains: bool) -> list[x509.GeneralName]:
    try:
        return [x509.IPAddress(ip_address(host))]
    except ValueError:
        return [x509.DNSName(name) for name in ([host, f"*.{host}"] if subdomains else [host])]


def _signs_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _covers(leaf: x509.Certificate, host: str) -> bool:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        pass
    wildcard = f"*.{host.partition('.')[2]}"
    known = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    return host.lower() in known or (not host.startswith("*.") and wildcard.lower() in known)


def _chain_objection(pair: Pair) -> str:
    chain = x509.load_pem_x509_certificates(pair.certificate.encode())
    for one, issuer in pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            return "the certificates after the first are not its chain, each issued by the next"
    return ""
