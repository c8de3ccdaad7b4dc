"""What became of each attempt to deliver."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reviews", "0006_routing")]
    operations = []
