from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("vms", "0028_templates"),
    ]

    operations = [
        migrations.AddField(
            model_name="virtualmachine",
            name="installs_from",
            field=models.CharField(blank=True, max_length=600),
        ),
        migrations.AddField(
            model_name="virtualmachine",
            name="restarted_at",
            field=models.DateTimeField(null=True),
        ),
    ]
