from django.db import migrations


def create(apps, schema_editor):
    """T-1001, T-1002 …: a sequence on PostgreSQL; SQLite counts under its one write lock."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE SEQUENCE reviews_ticket_ref_seq START 1001 OWNED BY reviews_ticket.ref"
        )


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP SEQUENCE reviews_ticket_ref_seq")


class Migration(migrations.Migration):
    dependencies = [("reviews", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
