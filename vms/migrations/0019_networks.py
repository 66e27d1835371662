from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vms', '0018_uploads'),
    ]

    operations = [
        migrations.AddField(
            model_name='network',
            name='leases',
            field=models.JSONField(default=list),
        ),
        migrations.CreateModel(
            name='NetworkFilter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField()),
                ('name', models.CharField(max_length=255)),
                ('document', models.TextField(blank=True)),
                ('host', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='network_filters', to='vms.host')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('host', 'uuid'), name='one_filter_per_host_and_uuid')],
            },
        ),
    ]
