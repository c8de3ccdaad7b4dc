"""How tickets find their reviewer."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviews", "0005_figures"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            model_name="queue",
            name="assigning",
            field=models.BooleanField(
                default=False,
                help_text="Each new ticket is given to whoever may decide it and has least to do.",
            ),
        ),
        migrations.AlterField(
            model_name="assignment",
            name="by",
            field=models.ForeignKey(
                help_text="Who gave it; nobody where the service did.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="historicalassignment",
            name="by",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="Who gave it; nobody where the service did.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="ticket",
            name="second_look",
            field=models.CharField(
                blank=True,
                choices=[("sample", "Audit sample"), ("request", "Review asked for")],
                default="",
                help_text="Set where it only looks at what `previous` was decided by a rule.",
                max_length=10,
            ),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name="ticket",
            constraint=models.UniqueConstraint(
                condition=models.Q(("second_look", ""), _negated=True),
                fields=("previous", "second_look"),
                name="ticket_one_second_look",
            ),
        ),
    ]
