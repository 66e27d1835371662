from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def give_each_pool_its_storage(apps: Any, schema_editor: Any) -> None:
    """Nothing is known of them yet; volumes were stored by nothing."""
    storage = apps.get_model("vms", "Storage").objects
    pools = apps.get_model("vms", "StoragePool").objects
    apps.get_model("vms", "Volume").objects.all().delete()
    for pool in pools.filter(storage=None):
        pools.filter(pk=pool.pk).update(storage=storage.create())
    # PostgreSQL alters no table with checks still to come.
    schema_editor.connection.check_constraints()


class Migration(migrations.Migration):

    dependencies = [
        ('vms', '0014_account_pages'),
    ]

    operations = [
        migrations.CreateModel(
            name='Storage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(blank=True, max_length=20)),
                ('source', models.TextField(blank=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='volume',
            name='one_volume_per_pool_and_name',
        ),
        migrations.RemoveField(
            model_name='volume',
            name='pool',
        ),
        migrations.AddField(
            model_name='network',
            name='active',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='network',
            name='autostart',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='network',
            name='bridge',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='network',
            name='document',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='network',
            name='live_document',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='network',
            name='mode',
            field=models.CharField(blank=True, max_length=20),
        ),
        migrations.AddField(
            model_name='network',
            name='persistent',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='operation',
            name='network',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='operations', to='vms.network'),
        ),
        migrations.AddField(
            model_name='operation',
            name='pool',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='operations', to='vms.storagepool'),
        ),
        migrations.AddField(
            model_name='operation',
            name='sealed',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='operation',
            name='volume',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='operations', to='vms.volume'),
        ),
        migrations.AddField(
            model_name='storagepool',
            name='active',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='storagepool',
            name='allocation_bytes',
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='storagepool',
            name='autostart',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='storagepool',
            name='available_bytes',
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='storagepool',
            name='capacity_bytes',
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='storagepool',
            name='document',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='storagepool',
            name='path',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='storagepool',
            name='persistent',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='storagepool',
            name='refreshed_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='storagepool',
            name='type',
            field=models.CharField(blank=True, max_length=20),
        ),
        migrations.AddField(
            model_name='volume',
            name='allocation_bytes',
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='volume',
            name='backing',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='layers', to='vms.volume'),
        ),
        migrations.AddField(
            model_name='volume',
            name='backing_path',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='volume',
            name='changed_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='volume',
            name='format',
            field=models.CharField(blank=True, max_length=20),
        ),
        migrations.AddField(
            model_name='volume',
            name='kind',
            field=models.CharField(default='file', max_length=10),
        ),
        migrations.AddField(
            model_name='volume',
            name='path',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='volume',
            name='present',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='volume',
            name='refusal',
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name='volume',
            name='sha256',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='volume',
            name='state',
            field=models.CharField(choices=[('ready', 'ready'), ('incomplete', 'incomplete'), ('quarantine', 'quarantine'), ('refused', 'refused')], default='ready', max_length=10),
        ),
        migrations.AddField(
            model_name='volume',
            name='told_format',
            field=models.CharField(blank=True, max_length=20),
        ),
        migrations.AddIndex(
            model_name='operation',
            index=models.Index(fields=['target_kind', 'target_id'], name='vms_operati_target__3725c8_idx'),
        ),
        migrations.AddField(
            model_name='storagepool',
            name='storage',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='pools', to='vms.storage'),
        ),
        migrations.AddField(
            model_name='volume',
            name='storage',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='volumes', to='vms.storage'),
        ),
        migrations.AddConstraint(
            model_name='volume',
            constraint=models.UniqueConstraint(fields=('storage', 'name'), name='one_volume_per_storage_and_name'),
        ),
        migrations.RunPython(give_each_pool_its_storage, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="storagepool",
            name="storage",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="pools", to="vms.storage"
            ),
        ),
        migrations.AlterField(
            model_name="volume",
            name="storage",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="volumes", to="vms.storage"
            ),
        ),
    ]
