from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vms', '0015_storage_and_targets'),
    ]

    operations = [
        migrations.AddConstraint(
            model_name='storage',
            constraint=models.UniqueConstraint(condition=models.Q(('source', ''), _negated=True), fields=('kind', 'source'), name='one_storage_per_source'),
        ),
    ]
