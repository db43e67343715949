"""What the settings say of who may use the server, and of who may read its files."""

import os
import socket
import ssl
from pathlib import Path

from . import page
from .gate import Policy, is_loopback
from .keys import KEYS, Keyring
from .sessions import Sessions
from .settings import Settings, SettingsError


def policy(settings: Settings) -> Policy:
    """The gate's rules. A server that listens beyond this machine answers to its name too."""
    own = {settings.host.lower()}
    if not is_loopback(settings.host):
        name = socket.gethostname().lower()
        short = name.partition(".")[0]
        own |= {name, short, f"{short}.local"}
    keyring = Keyring(settings.data_folder / KEYS)
    return Policy(
        hosts=frozenset(own | _listed(settings.allowed_hosts.lower())),
        origins=_listed(settings.allowed_origins),
        keyring=keyring,
        sessions=Sessions(keyring),
        open=page.OPEN,
        door=page.door(),
        keyless=settings.loopback_key == "optional",
    )


def check(settings: Settings) -> None:
    """Raises `SettingsError` for a server that strangers could use, or half a TLS set-up."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("tls_cert: --tls-cert and --tls-key go together; name both.")
    for name, flag in (("tls_cert", "--tls-cert"), ("tls_key", "--tls-key")):
        path = getattr(settings, name)
        if path is not None and not path.is_file():
            raise SettingsError(f"{name}: there is no file {path}. Name another with {flag}.")
    if settings.tls_cert is not None:
        _check_pair(settings.tls_cert, settings.tls_key)
    if is_loopback(settings.host) or Keyring(settings.data_folder / KEYS).names:
        return
    raise SettingsError(
        f"host: everybody who reaches {settings.host} could use this server. Make an API key "
        "first: mlx-responses keys add NAME"
    )


def _check_pair(certificate: Path, key: Path | None) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # what OpenSSL refuses is one as well
        raise SettingsError(
            f"tls_cert: {certificate} and {key} are not a certificate and its key, or cannot be "
            f"read: {error.strerror or error}. Both must be PEM files; name them with --tls-cert "
            "and --tls-key."
        ) from error


def make_private(settings: Settings) -> None:
    """The data folder, and the database in it, for the user alone. Raises `SettingsError`."""
    folder = settings.data_folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        # SQLite gives its other files the rights of the first.
        os.close(os.open(settings.database, os.O_RDWR | os.O_CREAT, 0o600))
        settings.database.chmod(0o600)
    except OSError as error:
        raise SettingsError(
            f"data_dir: cannot make {folder}: {error.strerror}. Choose another with --data-dir."
        ) from error


def url(settings: Settings, host: str, listener: socket.socket) -> str:
    """Where the server is, for a client that calls it `host`."""
    scheme = "http" if settings.tls_cert is None else "https"
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}:{listener.getsockname()[1]}"


def _listed(names: str) -> frozenset[str]:
    return frozenset(name.strip().rstrip("/") for name in names.split(",") if name.strip())
