import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vms', '0017_volumes'),
    ]

    operations = [
        migrations.CreateModel(
            name='Upload',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('secret_hash', models.CharField(max_length=64, unique=True)),
                ('name', models.CharField(max_length=255)),
                ('format', models.CharField(max_length=20)),
                ('size_bytes', models.PositiveBigIntegerField()),
                ('offset_bytes', models.PositiveBigIntegerField(default=0)),
                ('expires_at', models.DateTimeField()),
                ('operation', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='upload', to='vms.operation')),
                ('volume', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='uploads', to='vms.volume')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('offset_bytes__lte', models.F('size_bytes'))), name='no_upload_is_longer_than_said')],
            },
        ),
    ]
