"""The login of people who may look at the ledger and change nothing."""

from psycopg import Connection, sql

LOGIN = "reader"
_GROUP = "spikemill_reader"
_EXISTS = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)"
# What a person types by mistake shall neither write nor keep the workers waiting.
_HABITS = (
    "default_transaction_read_only = on",
    "statement_timeout = '60s'",
    "idle_in_transaction_session_timeout = '60s'",
)


def is_reading_possible(connection: Connection) -> bool:
    """Tell whether the migrations could make the group that may read."""
    return _exists(connection, _GROUP)


def let_reader_in(connection: Connection, password: str) -> None:
    """Let people log in with this password, as a member of the group that may read.

    The server is told a digest: neither its log nor a listing of what runs ever shows the password.
    """
    login = sql.Identifier(LOGIN)
    if not _exists(connection, LOGIN):
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(login))
    digest = connection.pgconn.encrypt_password(password.encode(), LOGIN.encode(), b"scram-sha-256")
    statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
    connection.execute(statement.format(login, sql.Literal(digest.decode())))
    connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(_GROUP), login))
    for habit in _HABITS:
        connection.execute(sql.SQL("ALTER ROLE {} SET {}").format(login, sql.SQL(habit)))


def _exists(connection: Connection, role: str) -> bool:
    [found] = connection.execute(_EXISTS, [role]).fetchone() or [False]
    return bool(found)
