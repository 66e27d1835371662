"""What is looked for by itself, and whom it is told."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vms', '0035_stream_indexes'),
    ]

    operations = [
        migrations.CreateModel(
            name='AlertRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40, unique=True)),
                ('enabled', models.BooleanField(default=True)),
                ('severity', models.CharField(max_length=10)),
                ('seconds', models.PositiveIntegerField(default=0)),
                ('threshold', models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='AlertSilence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(blank=True, max_length=40)),
                ('thing', models.CharField(blank=True, max_length=40)),
                ('name', models.CharField(blank=True, max_length=255)),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('until', models.DateTimeField()),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('made_by', models.CharField(max_length=150)),
            ],
            options={
                'ordering': ['until', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='AlertSink',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60, unique=True)),
                ('kind', models.CharField(choices=[('webhook', 'webhook'), ('mail', 'mail')], max_length=10)),
                ('address', models.TextField()),
                ('sealed', models.TextField(blank=True)),
                ('least', models.CharField(max_length=10)),
                ('enabled', models.BooleanField(default=True)),
                ('sent_at', models.DateTimeField(null=True)),
                ('failing_since', models.DateTimeField(null=True)),
                ('error_code', models.CharField(blank=True, max_length=40)),
                ('owner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='alert_sinks', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('severity', models.CharField(max_length=10)),
                ('subject', models.CharField(max_length=600)),
                ('name', models.CharField(max_length=255)),
                ('params', models.JSONField(default=dict)),
                ('begun_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('told_at', models.DateTimeField(null=True)),
                ('acknowledged_at', models.DateTimeField(null=True)),
                ('acknowledged_by', models.CharField(blank=True, max_length=150)),
                ('happening', models.OneToOneField(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='alert', to='vms.happening')),
                ('host', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='alerts', to='vms.host')),
                ('pool', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='alerts', to='vms.storagepool')),
                ('vm', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='alerts', to='vms.virtualmachine')),
                ('sink', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='alerts', to='vms.alertsink')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='AlertDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.CharField(max_length=10)),
                ('queued_at', models.DateTimeField()),
                ('due_at', models.DateTimeField(null=True)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('sent_at', models.DateTimeField(null=True)),
                ('error_code', models.CharField(blank=True, max_length=40)),
                ('alert', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='vms.alert')),
                ('sink', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='vms.alertsink')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['due_at'], name='vms_alertde_due_at_aaff15_idx')],
            },
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(fields=['ended_at'], name='vms_alert_ended_a_e5318b_idx'),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(fields=['-begun_at'], name='vms_alert_begun_a_c25110_idx'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('kind', 'subject'), name='one_open_alert_of_a_subject'),
        ),
    ]
