"""The ledger's schema: up and down, equal to the models, and commented."""

from concurrent.futures import ThreadPoolExecutor
from subprocess import run
from sys import executable

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from spikemill.services.common.database import transaction
from spikemill.services.common.migrate import configuration, migrate, newest_revision, present_revision
from tests.integration import ledgers

_UNCOMMENTED = text("""
    SELECT class.relname, attribute.attname
    FROM pg_class AS class
    LEFT JOIN pg_attribute AS attribute
        ON attribute.attrelid = class.oid AND attribute.attnum > 0 AND class.relkind = 'r'
    WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'v')
    AND class.relname <> 'alembic_version'
    AND (
        obj_description(class.oid) IS NULL
        OR (attribute.attnum > 0 AND col_description(class.oid, attribute.attnum) IS NULL)
    )
""")
_RELATIONS = text("""
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') ORDER BY relname
""")


def relations() -> list[str]:
    with transaction() as ledger:
        return list(ledger.scalars(_RELATIONS))


def test_down_leaves_nothing_and_up_makes_it_again() -> None:
    before = relations()
    command.downgrade(configuration(), "base")
    assert relations() == ["alembic_version"]
    migrate()
    assert relations() == before
    ledgers.ask("a")


def test_models_and_migrations_agree() -> None:
    command.check(configuration())


def test_every_table_view_and_column_has_a_comment() -> None:
    with transaction() as ledger:
        assert ledger.execute(_UNCOMMENTED).all() == []


def test_the_newest_revision_is_known_without_alembic() -> None:
    assert newest_revision() == ScriptDirectory.from_config(configuration()).get_current_head()
    assert present_revision() == newest_revision()


def test_alembic_is_not_loaded_where_nothing_is_to_be_migrated() -> None:
    module = "spikemill.services.common.migrate"
    code = f"import sys; from {module} import migrate; migrate(); print('alembic' in sys.modules)"
    assert run([executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_two_processes_may_migrate_at_once() -> None:
    before = relations()
    command.downgrade(configuration(), "base")
    migrating = [executable, "-m", "spikemill.services.common.migrate"]
    with ThreadPoolExecutor(2) as pool:
        ended = list(
            pool.map(lambda _: run(migrating, check=False, capture_output=True, text=True), range(2))
        )
    assert [(each.returncode, each.stderr) for each in ended] == [(0, ""), (0, "")]
    assert relations() == before


def test_a_migration_does_not_wait_long_for_a_lock(ledger: str) -> None:
    """What waits for an exclusive lock makes everybody else wait behind it."""
    with psycopg.connect(ledger) as reader:
        reader.execute("LOCK TABLE builds IN ACCESS SHARE MODE")
        with pytest.raises(OperationalError, match="lock timeout"):
            command.downgrade(configuration(), "base")
        reader.rollback()
    assert "builds" in relations()
