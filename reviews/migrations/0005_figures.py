"""Figures of past days, counted once."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reviews", "0004_time")]
    operations = []
