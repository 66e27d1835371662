"""Secrets come back to the place where they were, and to no other."""

from __future__ import annotations

import pytest

from vms.libvirtxml import grafted, mask, ungrafted

SECURE = """\
<domain xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0" type="kvm">
  <name>a</name>
  <metadata><own:x xmlns:own="urn:own" key="inner"><own:y>inner</own:y></own:x></metadata>
  <sysinfo type="smbios"><oemStrings><entry>first</entry><entry>second</entry></oemStrings></sysinfo>
  <os><type>hvm</type><cmdline>root=/dev/vda token=abc quiet</cmdline></os>
  <devices>
    <disk type="network"><source protocol="https" name="n" query="key=1"><cookies><cookie name="c">crumb</cookie>\
</cookies></source><target dev="vda"/></disk>
    <graphics type="vnc" passwd="word" passwdValidTo="2030-01-01T00:00:00"><listen type="address"/></graphics>
    <graphics type="spice"/>
  </devices>
  <qemu:commandline><qemu:arg value="-one"/><qemu:arg value="zwei"/><qemu:env name="E" value="env"/></qemu:commandline>
</domain>"""
SECRETS = ("inner", "first", "second", "abc", "key=1", "crumb", "word", "2030", "-one", "zwei", '"env"')


def test_the_public_form_comes_back_whole() -> None:
    public = mask(SECURE)
    assert not [secret for secret in SECRETS if secret in public]
    assert grafted(SECURE, public) == (SECURE, [])


def test_what_was_edited_beside_it_stays_edited() -> None:
    public = mask(SECURE).replace("<name>a<", "<title>t</title><name>a<").replace('type="spice"/>', 'type="sdl"/>')
    text, lost = grafted(SECURE, public)
    assert lost == [] and "<title>t</title>" in text and 'type="sdl"' in text
    assert not [secret for secret in SECRETS if secret not in text]


@pytest.mark.parametrize(
    ("was", "now", "place", "secret"),
    [
        ("<name>a<", "<description>(secret)</description><name>a<", "description", ""),
        ("<entry>(secret)</entry>", "", "sysinfo/oemStrings/entry", "first"),
        ('<qemu:arg value="(secret)"/>', "", "commandline/arg/@value", "-one"),
        ("quiet", "loud", "os/cmdline", "abc"),
        ('name="E"', 'name="F"', "commandline/env/@value", '"env"'),
        ('name="n"', 'name="other"', "devices/disk/source/@query", "key=1"),
        ('dev="vda"', 'dev="vdb"', "devices/disk/source/cookies/cookie", "crumb"),
        ("urn:own", "urn:other", "metadata/x", "inner"),
    ],
)
def test_a_stand_in_at_another_place_is_no_secret(was: str, now: str, place: str, secret: str) -> None:
    public = mask(SECURE)
    assert was in public
    text, lost = grafted(SECURE, public.replace(was, now, 1))
    assert place in [each.place for each in lost] and all(each.line for each in lost)
    assert not secret or secret not in text


def test_a_password_goes_where_its_screen_was() -> None:
    public = mask(SECURE)
    assert "word" not in grafted(SECURE, public.replace('type="vnc"', 'type="sdl"'))[0]
    text, _ = grafted(SECURE, public.replace('type="vnc"', 'type="vnc" passwd="new"'))
    assert "word" not in text and 'passwd="new"' in text, "one that is given is the new one"
    two = public.replace('<graphics type="spice"/>', '<graphics type="vnc"/>')
    assert "word" not in grafted(SECURE, two)[0], "which of two it was is not guessed"


def test_a_secret_that_is_typed_is_taken() -> None:
    text, lost = grafted(SECURE, mask(SECURE).replace("<entry>(secret)<", "<entry>mine<", 1))
    assert lost == [] and "mine" in text and "first" not in text and "second" in text


def test_what_will_be_missing_is_known_without_the_secrets() -> None:
    public = mask(SECURE)
    assert ungrafted(public, public) == [] == ungrafted(SECURE, SECURE)
    for was, now, place in (
        ("<entry>(secret)</entry>", "", "sysinfo/oemStrings/entry"),
        ("quiet", "loud", "os/cmdline"),
        ("<name>a<", "<description>(secret)</description><name>a<", "description"),
    ):
        assert place in {each.place for each in ungrafted(public, public.replace(was, now, 1))}


def test_words_that_look_like_a_stand_in_are_words() -> None:
    text = "<domain><name>a</name><description>(secret)</description></domain>"
    assert grafted(text, text) == (text, []) and ungrafted(text, text) == []


def test_screens_lose_what_the_text_does_not_give_them_where_that_is_said() -> None:
    text, lost = grafted(SECURE, mask(SECURE), passwords=False)
    assert lost == [] and "word" not in text and text.count("passwd") == 0
    text, _ = grafted(SECURE, mask(SECURE).replace('type="vnc"', 'type="vnc" passwd="new"'), passwords=False)
    assert 'passwd="new"' in text
