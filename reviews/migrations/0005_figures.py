"""Figures of past days, counted once."""

import django.db.models.deletion
import reviews.models.figures
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviews", "0004_time"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Counted",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("until", models.DateTimeField()),
                ("begun_at", models.DateTimeField(help_text="When this counting began; another begins afresh.")),
            ],
            options={"verbose_name_plural": "counted"},
        ),
        migrations.CreateModel(
            name="DayFigures",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("model", models.CharField(blank=True, max_length=120)),
                ("counts", models.JSONField(default=reviews.models.figures.nothing, help_text="Whole numbers by name.")),
                ("checkpoint", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="reviews.checkpoint")),
                ("lane", models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="reviews.lane")),
            ],
            options={
                "verbose_name_plural": "day figures",
                "constraints": [models.UniqueConstraint(fields=("day", "lane", "checkpoint", "model"), name="figures_one_per_day")],
            },
        ),
        migrations.CreateModel(
            name="ReviewerDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("votes", models.PositiveIntegerField(default=0)),
                ("allows", models.PositiveIntegerField(default=0)),
                ("corrections", models.PositiveIntegerField(default=0)),
                ("review_ms", models.PositiveBigIntegerField(default=0, help_text="Time spent, in milliseconds.")),
                ("person", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("day", "person"), name="reviewer_one_per_day")]},
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index("created_at", name="ticket_by_opening"),
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index("status", "closed_at", name="ticket_by_end", condition=models.Q(("closed_at__isnull", False))),
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index("lane", "created_at", name="ticket_lane_since", condition=models.Q(("status", "pending"))),
        ),
    ]
