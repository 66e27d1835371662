"""The demo's second host: who can start it, and when it is."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from kvmweb import environment
from scripts.steps import second


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> environment.Environment:
    """Of root's, with this machine's libvirt."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return replace(environment.load(), state=environment.State(tmp_path), local_uri_socket="")


def test_it_is_started_where_it_is_wanted_or_was_begun(settings: environment.Environment) -> None:
    assert second.step(settings, "", wanted=False) is None
    wanted = second.step(settings, "", wanted=True)
    assert wanted and str(settings.state.second) in wanted.changes
    settings.state.second.mkdir()
    assert second.step(settings, "", wanted=False), "what was moved there is there"


def test_one_that_answers_is_left_alone(settings: environment.Environment) -> None:
    place = settings.state.second / "run/libvirt/libvirt-sock"
    place.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(os.fspath(place))
        daemon.listen()
        assert second.step(settings, "", wanted=True) is None


def test_why_there_is_none(settings: environment.Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = replace(settings, local_uri_socket="/run/elsewhere")
    assert "KVMWEB_LIBVIRT_SOCKET" in second.complaint(elsewhere)
    assert second.step(elsewhere, "", wanted=True) is None
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root alone" in second.complaint(settings)
    assert second.step(settings, "", wanted=True) is None
