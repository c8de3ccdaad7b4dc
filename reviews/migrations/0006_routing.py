"""How tickets find their reviewer."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reviews", "0005_figures")]
    operations = []
