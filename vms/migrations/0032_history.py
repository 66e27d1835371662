from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def first_versions(apps: Any, schema_editor: Any) -> None:
    """What is there when the history begins."""
    documents = apps.get_model("vms", "Document").objects.filter(placement__current_of__isnull=False)
    versions = apps.get_model("vms", "Version").objects
    for document in documents.exclude(next_boot="").select_related("placement").iterator(chunk_size=100):
        versions.create(
            vm_id=document.placement.vm_id,
            host_id=document.placement.host_id,
            number=1,
            sha256=document.next_boot_sha256,
            xml=document.next_boot,
            found=True,
        )


class Migration(migrations.Migration):
    dependencies = [
        ("vms", "0031_sizes"),
    ]

    operations = [
        migrations.AddField(
            model_name="document",
            name="began",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="document",
            name="pending",
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name="document",
            name="settings",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="placement",
            name="waiting",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.CreateModel(
            name="Version",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("xml", models.TextField()),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("found", models.BooleanField(default=False)),
                ("kind", models.CharField(blank=True, max_length=60)),
                ("actor_name", models.CharField(blank=True, max_length=150)),
                (
                    "host",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="vms.host"
                    ),
                ),
                (
                    "operation",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="versions",
                        to="vms.operation",
                    ),
                ),
                (
                    "vm",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="vms.virtualmachine"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("vm", "number"), name="a_version_once_per_vm")],
            },
        ),
        migrations.RunPython(first_versions, migrations.RunPython.noop),
    ]
