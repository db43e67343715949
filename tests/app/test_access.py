"""Keys by the command line, files for the user alone, no open door without a key, and TLS."""

import datetime
import ipaddress

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from scripted import ScriptedLive

from mlx_responses.app import access
from mlx_responses.app.__main__ import main
from mlx_responses.app.runfile import Server, announced
from mlx_responses.app.settings import Settings, SettingsError
from tests.serving import serving, serving_model


@pytest.fixture
def keys(tmp_path, capsys):
    def run(*words):
        code = main(["keys", *words, "--data-dir", str(tmp_path)])
        said = capsys.readouterr()
        return code, said.out.strip(), said.err

    return run


def test_a_key_is_made_listed_and_taken_back(keys):
    code, key, told = keys("add", "anna")
    assert (code, key[:9]) == (0, "sk-local-")
    assert "cannot be shown again" in told
    assert keys("list")[1] == "anna"
    assert keys("rm", "anna")[0] == 0
    assert keys("list")[1:] == ("", "There are no keys. Make one: mlx-responses keys add NAME\n")
    assert keys("rm", "anna")[0] == 1
    assert keys("add")[0] == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_a_server_beyond_this_machine_needs_a_key_first(tmp_path, capsys, keys, host):
    assert main(["serve", "--host", host, "--port", "0", "--data-dir", str(tmp_path)]) == 2
    assert "mlx-responses keys add NAME" in capsys.readouterr().err
    keys("add", "anna")
    access.check(Settings(host=host, data_dir=tmp_path))


def test_the_data_is_for_the_user_alone(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    access.make_private(Settings(data_dir=folder))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "responses.db").stat().st_mode & 0o777 == 0o600


def test_files_that_are_no_certificate_are_refused_before_a_model_is_loaded(tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(SettingsError, match=r"wrong\.pem are not a certificate and its key"):
        access.check(Settings(tls_cert=wrong, tls_key=wrong, data_dir=tmp_path))


def certificate(folder):
    """A certificate of 127.0.0.1 by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mlx-responses")])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


def test_with_a_certificate_it_speaks_https(tmp_path):
    cert, key = certificate(tmp_path)
    with serving(ScriptedLive(), data_dir=tmp_path, tls_cert=cert, tls_key=key) as url:
        assert url.startswith("https://")
        assert httpx.get(f"{url}/v1/models", verify=str(cert)).status_code == 200


def test_verbs_trust_the_certificate_of_the_server_that_runs(tmp_path, capsys):
    cert, key = certificate(tmp_path)
    with serving_model(data_dir=tmp_path, tls_cert=cert, tls_key=key):
        assert main(["ps", "--data-dir", str(tmp_path)]) == 0
    assert "address\thttps://127.0.0.1:" in capsys.readouterr().out


def test_models_are_listed_where_the_server_wants_a_key(tmp_path, capsys, keys):
    keys("add", "anna")
    with serving(ScriptedLive(), data_dir=tmp_path, loopback_key="required") as url:
        running = Server(pid=1, url=url, model="pocket", version="0")
        with announced(tmp_path, running):
            assert main(["models", "--here", "--data-dir", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("pocket\there\t")
    assert told.err.startswith("What is loaded is not known: The API key is missing.")


def test_half_a_certificate_is_refused(tmp_path):
    cert, key = certificate(tmp_path)
    for wrong in ({"tls_cert": cert}, {"tls_cert": cert, "tls_key": tmp_path / "none.pem"}):
        with pytest.raises(SettingsError, match="tls_"):
            access.check(Settings(data_dir=tmp_path, **wrong))
    access.check(Settings(data_dir=tmp_path, tls_cert=cert, tls_key=key))
