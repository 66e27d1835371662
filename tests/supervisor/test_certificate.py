"""The generated certificate: for this machine's names, kept as long as it fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from kvmweb import environment
from kvmweb.environment import BadSetting
from kvmweb.supervisor.certificate import certificate, fits, generated

NAMES = ["localhost", "127.0.0.1", "[::1]", "box", ".example.org"]


def test_it_covers_all_names(tmp_path: Path) -> None:
    made = generated(tmp_path, NAMES)
    loaded = x509.load_pem_x509_certificate(made.path.read_bytes())
    alternative = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(alternative.get_values_for_type(x509.DNSName)) == {"localhost", "box", "example.org", "*.example.org"}
    assert {str(one) for one in alternative.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}


def test_its_key_is_for_nobody_else(tmp_path: Path) -> None:
    assert generated(tmp_path, NAMES).key.stat().st_mode & 0o777 == 0o600


def test_it_is_kept_while_it_fits_and_made_anew_for_a_new_name(tmp_path: Path) -> None:
    first = generated(tmp_path, NAMES)
    assert generated(tmp_path, NAMES[:2]).fingerprint == first.fingerprint
    second = generated(tmp_path, [*NAMES, "192.0.2.7"])
    assert second.fingerprint != first.fingerprint
    assert fits(x509.load_pem_x509_certificate(second.path.read_bytes()), ["192.0.2.7"])


def test_there_is_none_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KVMWEB_BIND", raising=False)
    assert certificate(environment.load(), NAMES) is None


def test_a_given_one_that_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVMWEB_BIND", "0.0.0.0")
    monkeypatch.setenv("KVMWEB_TLS_CERT", "/nonexistent.crt")
    monkeypatch.setenv("KVMWEB_TLS_KEY", "/nonexistent.key")
    with pytest.raises(BadSetting):
        certificate(environment.load(), NAMES)


def test_a_given_one_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = generated(tmp_path, NAMES)
    monkeypatch.setenv("KVMWEB_BIND", "0.0.0.0")
    monkeypatch.setenv("KVMWEB_TLS_CERT", str(made.path))
    monkeypatch.setenv("KVMWEB_TLS_KEY", str(made.key))
    found = certificate(environment.load(), NAMES)
    assert found and not found.generated and found.fingerprint == made.fingerprint
