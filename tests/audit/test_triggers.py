"""What the database refuses about the audit trail, and how triggers live through migrations."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import checks
from django.db import IntegrityError, connection, transaction

from audit import triggers
from audit.clock import db_now
from audit.ids import new_id
from audit.models import AuditEvent, ChainHead, Seal
from audit.services import Draft, record_alone
from tests import serving
from tests.stories import run_sql, stopped_by_the_database

ON_POSTGRESQL = connection.vendor == "postgresql"


@pytest.fixture
def told(db) -> None:
    """Two events on one stream, and a seal."""
    for kind in ("system.one", "system.two"):
        record_alone("system", Draft(kind, db_now(), data={"n": 1}))
    Seal.objects.create(
        number=1, at=db_now(), root="0" * 64, heads=[], previous="0" * 64,
        statement={}, key_id="k", signature="s",
    )  # fmt: skip


@pytest.mark.db
class TestAppendOnly:
    @pytest.mark.parametrize("column", [f.column for f in AuditEvent._meta.concrete_fields])
    def test_no_column_of_an_event_changes(self, told, column):
        with stopped_by_the_database("append-only"):
            run_sql(f'UPDATE audit_auditevent SET "{column}" = "{column}"')

    @pytest.mark.parametrize("table", ["audit_auditevent", "audit_seal", "audit_chainhead"])
    def test_nothing_told_is_deleted(self, told, table):
        with stopped_by_the_database("append-only|never deleted"):
            run_sql(f"DELETE FROM {table}")

    def test_no_column_of_a_seal_changes(self, told):
        with stopped_by_the_database("append-only"):
            run_sql("UPDATE audit_seal SET signature = 'mine'")

    @pytest.mark.parametrize("change", ["seq = seq - 1", "sealed_seq = -1", "stream = 'other'"])
    def test_a_chain_only_grows(self, told, change):
        if "-1" in change:
            run_sql("UPDATE audit_chainhead SET sealed_seq = 0")
        with pytest.raises(IntegrityError), transaction.atomic():
            run_sql(f"UPDATE audit_chainhead SET {change}")

    def test_a_position_is_taken_once_and_has_one_successor(self, told):
        first = AuditEvent.objects.get(seq=1)
        copied = {f.name: getattr(first, f.name) for f in AuditEvent._meta.concrete_fields}
        for change in ({"seq": 1, "previous_hash": "f" * 64}, {"seq": 9}):
            with stopped_by_the_database("(?i)unique"):
                AuditEvent.objects.create(**{**copied, **change, "id": new_id()})

    def test_inserting_is_all_one_may_do(self, told):
        record_alone("system", Draft("system.three", db_now()))

        assert ChainHead.objects.get(stream="system").seq == 3


@pytest.mark.db
@pytest.mark.parametrize(
    "table",
    sorted({t.table for t in triggers.declared() if t.event == "TRUNCATE"}),
)
def test_truncating_is_refused_where_there_is_such_a_thing(db, table):
    if ON_POSTGRESQL:
        with stopped_by_the_database("append-only|never|taken back|version"):
            run_sql(f"TRUNCATE {table} CASCADE")
    else:
        assert triggers.Trigger("x", table, "TRUNCATE", "never").statements("sqlite") == []


@pytest.mark.db
class TestInstalled:
    def test_the_check_is_silent_when_all_stand(self, db):
        assert _problems() == []

    def test_the_check_names_what_is_missing(self, db):
        name = next(iter(triggers.installed(connection)))
        if ON_POSTGRESQL:
            run_sql(f"DROP FUNCTION {name}() CASCADE")
        else:
            run_sql(f"DROP TRIGGER {name}")

        assert "audit.E001" in _problems()

    def test_the_check_notices_a_trigger_of_an_older_release(self, db):
        old = triggers.Trigger("old", "audit_seal", "DELETE", "an older sentence")
        for statement in old.statements(connection.vendor):
            run_sql(statement.replace("%", "%%"))

        assert "audit.E001" in _problems()
        triggers.install_all()
        assert _problems() == []

    def test_every_declared_trigger_has_a_name_of_its_own_that_fits(self):
        names = [trigger.installed_name for trigger in triggers.declared()]

        assert len(set(names)) == len(names)
        assert max(len(name) for name in names) <= 63


def _problems() -> list[str]:
    found = checks.run_checks(tags=[checks.Tags.database], databases=["default"])
    return [str(problem.id) for problem in found if str(problem.id).startswith("audit.")]


POPULATE = """
from django.core.management import call_command
from tests.builders import make_cast
cast = make_cast()
ticket = cast.open(priority="critical")
cast.vote(ticket, cast.ann, "approve")
cast.vote(ticket, cast.ben, "approve")
cast.open()
"""
VERIFY = """
from django.db import IntegrityError, connection, transaction
from approvals.models import Vote
from audit import triggers
from reviews.models import Ticket
from tests.stories import everything_told_is_true, run_sql
everything_told_is_true()
assert Ticket.objects.count() == 2 and Vote.objects.count() == 2
assert triggers.installed(connection) == set(triggers.wanted(connection))
for statement in (
    "UPDATE audit_auditevent SET type = 'x'",
    "DELETE FROM approvals_vote",
    "UPDATE approvals_vote SET choice = 'reject'",
    "UPDATE approvals_decision SET digest = 'x'",
    "UPDATE reviews_ticket SET status = 'rejected'",
    "DELETE FROM reviews_ticket",
):
    try:
        with transaction.atomic():
            run_sql(statement)
    except IntegrityError:
        continue
    raise SystemExit(statement)
with connection.cursor() as cursor:
    columns = connection.introspection.get_table_description(cursor, "reviews_ticket")
    print({column.name: column.display_size for column in columns}["title"])
"""
REBUILD = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("{app}", "{last}")]
    operations = [migrations.AlterField("{model}", "{field}", models.CharField(max_length=333))]
"""


@pytest.mark.real
def test_a_populated_sqlite_database_survives_a_migration_that_rebuilds_its_tables(
    data_folder: Path, tmp_path: Path
):
    def run(script: str, **more: str) -> str:
        begin = "import django; django.setup()\n"
        done = subprocess.run(
            [sys.executable, "-c", begin + script],
            cwd=serving.ROOT,
            env=serving.environment(
                data_folder, **{"DJANGO_SETTINGS_MODULE": "hitl_project.settings", **more}
            ),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.strip()

    run(POPULATE)
    changes = {"reviews": ("ticket", "title"), "approvals": ("decision", "outcome")}
    for app, (model, field) in changes.items():
        folder = shutil.copytree(serving.ROOT / app / "migrations", tmp_path / f"later_{app}")
        last = max(path.stem for path in folder.glob("0*.py"))
        (folder / "9000_rebuild.py").write_text(
            REBUILD.format(app=app, last=last, model=model, field=field)
        )
    (tmp_path / "later_settings.py").write_text(
        "from hitl_project.settings import *\n"
        f"MIGRATION_MODULES = { ({app: f'later_{app}' for app in changes})!r}\n"
    )
    later = {
        "DJANGO_SETTINGS_MODULE": "later_settings",
        "PYTHONPATH": f"{tmp_path}:{serving.ROOT}",
    }
    migrated = serving.manage("migrate", "--verbosity", "1", folder=data_folder, **later)

    assert migrated.returncode == 0, migrated.stderr[-3000:]
    assert "9000_rebuild" in migrated.stdout
    assert run(VERIFY, **later) == "333"
