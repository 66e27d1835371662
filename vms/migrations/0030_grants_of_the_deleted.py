"""Rights on VMs that were deleted for good, which give nothing any more."""

from typing import Any

from django.db import migrations


def forget(apps: Any, schema_editor: Any) -> None:
    apps.get_model("vms", "Grant").objects.filter(vm__deleted_at__isnull=False).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("vms", "0029_installs_from"),
    ]

    operations = [
        migrations.RunPython(forget, migrations.RunPython.noop),
    ]
