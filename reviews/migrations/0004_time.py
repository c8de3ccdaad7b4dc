"""Calendars, and clocks that stand still while the requester has the ticket."""

import datetime as dt

import django.db.models.deletion
from django.db import migrations, models

import approvals.models.user
import audit.ids
import reviews.models.calendar

_CLOCK = [
    (
        "paused_at",
        lambda: models.DateTimeField(
            help_text="Since when its requester has it; no clock but the end's runs.", null=True
        ),
    ),
    (
        "time_used",
        lambda: models.DurationField(
            default=dt.timedelta(0),
            help_text="How long the clock had run, in its calendar, before the present round.",
        ),
    ),
    (
        "remind_at",
        lambda: models.DateTimeField(
            help_text="When who still has to vote is reminded next.", null=True
        ),
    ),
]


class Migration(migrations.Migration):
    dependencies = [("reviews", "0003_desk_and_governance")]
    operations = [
        migrations.CreateModel(
            name="Calendar",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=audit.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=80, unique=True)),
                (
                    "time_zone",
                    models.CharField(
                        max_length=64, validators=[approvals.models.user.check_time_zone]
                    ),
                ),
                (
                    "week",
                    models.JSONField(
                        default=reviews.models.calendar.office_week,
                        help_text="Monday to Sunday: [from, until] in minutes of the day.",
                    ),
                ),
                ("country", models.CharField(blank=True, max_length=3)),
                ("subdivision", models.CharField(blank=True, max_length=10)),
                (
                    "exceptions",
                    models.JSONField(
                        blank=True,
                        default=reviews.models.calendar.no_exceptions,
                        help_text="Rows of [date, hours as above, note].",
                    ),
                ),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.AddField(
            model_name="queue",
            name="calendar",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="queues",
                to="reviews.calendar",
            ),
        ),
        *(
            migrations.AddField(model_name=model, name=name, field=field())
            for model in ("ticket", "historicalticket")
            for name, field in _CLOCK
        ),
    ]
