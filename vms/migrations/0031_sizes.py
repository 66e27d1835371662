"""Sizes of new VMs, which were written in the form until now."""

from typing import Any

import django.db.models.functions.text
from django.db import migrations, models

SIZES = (("S", 1, 1024, 10), ("M", 2, 4096, 20), ("L", 4, 8192, 40))


def fill(apps: Any, schema_editor: Any) -> None:
    size = apps.get_model("vms", "Size")
    for name, vcpus, memory_mib, disk_gib in SIZES:
        size.objects.create(name=name, vcpus=vcpus, memory_mib=memory_mib, disk_gib=disk_gib)


class Migration(migrations.Migration):
    dependencies = [
        ("vms", "0030_grants_of_the_deleted"),
    ]

    operations = [
        migrations.CreateModel(
            name="Size",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40)),
                ("vcpus", models.PositiveIntegerField()),
                ("memory_mib", models.PositiveIntegerField()),
                ("disk_gib", models.PositiveIntegerField()),
            ],
            options={
                "ordering": ["vcpus", "memory_mib", "disk_gib", "pk"],
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("name"), name="one_size_of_a_name"
                    )
                ],
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
