"""A VM that broke a moment ago: what its host would have told, and what stood on its screen."""

from __future__ import annotations

from tests.browser.stage import Stage

BROKE = """
from io import BytesIO
from datetime import timedelta
from django.utils import timezone
from PIL import Image, ImageDraw
from vms.models import Happening, LastScreen
picture, made = Image.new("RGB", (720, 400)), BytesIO()
ImageDraw.Draw(picture).text((8, 8), "Kernel panic - not syncing: sysrq triggered crash", fill=(200, 200, 200))
picture.save(made, "PNG")
before = timezone.now() - timedelta(seconds=40)
LastScreen.objects.update_or_create(vm_id={vm}, defaults={{"taken_at": before, "png": made.getvalue()}})
Happening.objects.get_or_create(host_id=1, vm_id={vm}, code="panicked")
"""


def broke(stage: Stage) -> str:
    """Its page; it runs again."""
    player = stage.runs("deaf")
    stage.dashboard.do(BROKE.format(vm=player.pk))
    return f"/vms/{player.pk}/"
