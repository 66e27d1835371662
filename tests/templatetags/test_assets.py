"""Built files under their hashed names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.template import Context, Template
from pytest_django.fixtures import Settings

from vms.templatetags import assets


@pytest.fixture
def built(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    settings.ASSETS_DIR = tmp_path
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    assets.manifest.cache_clear()
    assets.icon.cache_clear()


def render(text: str) -> str:
    return Template("{% load assets %}" + text).render(Context({"name": '"><script>'}))


def test_an_asset_has_its_hashed_name(built: Path) -> None:
    (built / "manifest.json").write_text(json.dumps({"app.js": "app-1F.js"}))
    assert render("{% asset 'app.js' %}") == "/static/app-1F.js"


def test_a_page_comes_before_the_first_build_too(built: Path) -> None:
    assert render("{% asset 'app.js' %}") == "/static/app.js"


def test_an_icon_points_into_the_sprite_and_is_decoration(built: Path) -> None:
    (built / "manifest.json").write_text(json.dumps({"icons.svg": "icons-1F.svg"}))
    icon = render("{% icon 'power' %}")
    assert 'href="/static/icons-1F.svg#power"' in icon
    assert 'aria-hidden="true"' in icon
    assert "<script>" not in render("{% icon name %}")


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    import re

    root = Path(__file__).resolve().parents[2]
    lines = (root / "static/icons.txt").read_text().splitlines()
    known = {line.split()[0] for line in lines if line and not line.startswith("#")}
    named = {
        name
        for template in (root / "templates").rglob("*.html")
        for name in re.findall(r'{% icon "([a-z_-]+)"(?!\|)', template.read_text())
    }
    assert named - known == set()
