"""Calendars, and clocks that stand still while the requester has the ticket."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reviews", "0003_desk_and_governance")]
    operations = []
