from django.db import migrations, models


def tell_origins(apps, schema_editor):
    """What has an owner was made here; what a VM has is its; the rest was found."""
    Volume = apps.get_model("vms", "Volume")
    found = Volume.objects.filter(owner=None)
    found.update(origin="found")
    used = Volume.vms.through.objects.values("volume")
    found.filter(pk__in=used).update(origin="adopted")


class Migration(migrations.Migration):

    dependencies = [
        ('vms', '0023_storage_by_hand'),
    ]

    operations = [
        migrations.AddField(
            model_name='storage',
            name='trusted',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='volume',
            name='origin',
            field=models.CharField(choices=[('made', 'made'), ('found', 'found'), ('adopted', 'adopted'), ('vouched', 'vouched')], default='made', max_length=10),
        ),
        migrations.AddField(
            model_name='volume',
            name='known_bytes',
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='volume',
            name='known_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.RunPython(tell_origins, migrations.RunPython.noop),
    ]
