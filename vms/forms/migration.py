"""What is entered of a move to another host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from django import forms
from django.utils.translation import gettext, gettext_lazy

from vms.errors import BadFields
from vms.kinds.migration import Migrate
from vms.services.placement_lines import Line
from vms.services.sentences import field_sentence

MODES: Final = [("", gettext_lazy("it runs on meanwhile")), ("paused", gettext_lazy("it stands still meanwhile"))]
ENDS: Final = [
    ("cancel", gettext_lazy("Give up: it runs on where it is")),
    ("pause", gettext_lazy("Let it stand still until it is there")),
    ("postcopy", gettext_lazy("Go over at once, the rest of its memory follows")),
]
MOST_MIB: Final = 1 << 20
MOST_MINUTES: Final = 7 * 24 * 60
# What the service calls the form's fields.
CALLED: Final = {"timeout_s": "minutes"}


class Move(forms.Form):
    """Where to; the rest is as the check has chosen it for that host, but for what is entered. lines: the hosts, best
    first."""

    host = forms.ChoiceField(label=gettext_lazy("Where to"))
    mode = forms.ChoiceField(label=gettext_lazy("How"), required=False, choices=MODES)
    pool = forms.ChoiceField(label=gettext_lazy("Copies go to"), required=False)
    postcopy = forms.BooleanField(required=False)
    bandwidth_mib = forms.IntegerField(
        label=gettext_lazy("At most, in MiB/s"), required=False, min_value=1, max_value=MOST_MIB,
        help_text=gettext_lazy("Left empty: as fast as it goes."),
    )  # fmt: skip
    minutes = forms.IntegerField(
        label=gettext_lazy("Minutes it may take"), required=False, min_value=0, max_value=MOST_MINUTES,
        help_text=gettext_lazy("Left empty: by its size. 0: as long as it takes."),
    )  # fmt: skip
    on_timeout = forms.ChoiceField(label=gettext_lazy("When that is over"), required=False, choices=ENDS)

    def __init__(self, lines: Sequence[Line], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lines = {str(line.verdict.host.pk): line for line in lines}
        self.fields["host"].choices = [  # type: ignore[attr-defined]
            (pk, line.host) for pk, line in self.lines.items() if line.verdict.possible
        ]
        pools = [(pool, line) for line in lines if line.verdict.disks for pool in line.verdict.host.pools]
        self.fields["pool"].choices = [  # type: ignore[attr-defined]
            ("", gettext("the pool with the most room")),
            *((str(pool.pk), f"{pool.name} · {line.host or gettext('a host')}") for pool, line in pools),
        ]
        self.copies, self.runs = bool(pools), any(line.verdict.vm.runs for line in lines)

    @property
    def best(self) -> str:
        """The host that is proposed, "" for none."""
        return next((pk for pk, line in self.lines.items() if line.verdict.possible), "")

    @property
    def line(self) -> Line:
        """Of the chosen host; only after is_valid()."""
        return self.lines[self.cleaned_data["host"]]

    def wish(self) -> Migrate:
        """What is asked for; only after is_valid()."""
        given, wish = self.cleaned_data, self.line.verdict.wish
        pool = int(given["pool"]) if given["pool"] and wish.copy_storage else wish.pool
        if not self.runs:
            return replace(wish, pool=pool)
        return replace(
            wish,
            mode=given["mode"] or wish.mode,
            pool=pool,
            # Whoever lets it go over when the time is over lets it go over.
            postcopy=given["postcopy"] or given["on_timeout"] == "postcopy",
            bandwidth_mib=given["bandwidth_mib"] or 0,
            timeout_s=wish.timeout_s if given["minutes"] is None else given["minutes"] * 60,
            on_timeout=given["on_timeout"] or wish.on_timeout,
        )

    def wrong(self) -> list[str]:
        """What does not fit, each with the name of its field."""
        return [
            f"{self.fields[name].label}: {text}" if name in self.fields else str(text)
            for name, texts in self.errors.items()
            for text in texts
        ]

    def refuse(self, bad: BadFields) -> None:
        """Say at its field what the service refused."""
        for name, code in bad.errors.items():
            field = CALLED.get(name, name)
            self.add_error(field if field in self.fields else None, field_sentence(code))
