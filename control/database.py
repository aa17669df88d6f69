"""The control database: sites, people, release pointers, imports. Never raw input.

SQLite in the home by default, PostgreSQL where there are several nodes. The schema is Alembic's
(`control/migrations`); the tables below are its only description in code.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    false,
    func,
    select,
)

metadata = MetaData()

sites = Table(
    "sites",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("domain", String(253), nullable=False, unique=True),
    Column("write_key", String(32), nullable=False, unique=True),
    Column("policy", String(8), nullable=False),
    Column("country", String(2), nullable=False),
    Column("k", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    # The site's own names of consent categories: an object, name → purpose.
    Column("categories", JSON, nullable=False, server_default="{}"),
    Column("child_directed", Boolean, nullable=False, server_default=false()),
    # Lists of texts: allow-listed property keys, and what is excluded. Networks are keyed MACs.
    Column("properties", JSON, nullable=False, server_default="[]"),
    Column("excluded_networks", JSON, nullable=False, server_default="[]"),
    Column("excluded_hosts", JSON, nullable=False, server_default="[]"),
    Column("excluded_paths", JSON, nullable=False, server_default="[]"),
    Column("city", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,  # a removed site's number is never given to another
)

# From which local day on a time zone holds; the first of a site from 0001-01-01.
site_timezones = Table(
    "site_timezones",
    metadata,
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("from_day", Date, primary_key=True),
    Column("timezone", String(64), nullable=False),
)

# Which version of a day is shown. `state` is open, provisional or final; a final day is never
# computed again.
released_days = Table(
    "released_days",
    metadata,
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    # Of what was stored when it was computed: another, and it is due.
    Column("digest", BigInteger, nullable=False),
    Column("computed_at", DateTime(timezone=True), nullable=False),
)

# Which version of an ISO week is shown, by its Monday. A week is released once, when all its days
# are final, and its cells are whole: every value that one of its days shows has one, so that a
# reader adds up weeks or days and never mixes them within a week.
released_weeks = Table(
    "released_weeks",
    metadata,
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("week", Date, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("computed_at", DateTime(timezone=True), nullable=False),
)

# The tier of visitors in the five minutes before `until`, as the worker's clock found it: of the
# last half hour, each once.
realtime = Table(
    "realtime",
    metadata,
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("until", DateTime(timezone=True), primary_key=True),
    Column("tier", String(12), nullable=False),
)

# One number for every computation of a day, so that versions never repeat.
release_runs = Table(
    "release_runs",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=True),
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), nullable=False),
    Column("day", Date, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    sqlite_autoincrement=True,
)

# Days that an operator's import has filled: final as soon as its segments are loaded.
imported_days = Table(
    "imported_days",
    metadata,
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("imported_at", DateTime(timezone=True), nullable=False),
)

# Who objected or took consent back, by a pseudonym that no row holds. Kept as long as the site is:
# an objection must not be forgotten.
objections = Table(
    "objections",
    metadata,
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("client", String(32), primary_key=True),  # 128 bits in hexadecimal
    Column("kind", String(9), primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, index=True),
)

# What people decided, in the order in which it came: a decision is added and never changed.
# `client` is a pseudonym as in `objections`, '' where nothing is kept of the person but that.
consent_records = Table(
    "consent_records",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), nullable=False),
    Column("client", String(32), nullable=False),
    Column("receipt", String(64), nullable=False, unique=True),  # SHA-256 of its 128 bits
    Column("status", String(9), nullable=False),
    Column("purposes", JSON, nullable=False),  # an object, purpose → true or false
    Column("notice_version", String(64), nullable=False),
    Column("notice_hash", String(64), nullable=False),  # '' where the text is the site's own
    Column("language", String(35), nullable=False),
    Column("method", String(12), nullable=False),
    Column("event_time", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    sqlite_autoincrement=True,
)

# With a token people see and change their data. Of its 128 random bits only the SHA-256 is kept.
subject_tokens = Table(
    "subject_tokens",
    metadata,
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("client", String(32), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
)

# Rows of which visitor are not to be stored any more for which purposes, if they came up to `since`
# and still wait in the spool. Removed once nothing of that age waits anywhere.
withheld = Table(
    "withheld",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), nullable=False),
    Column("visitor", String(39), nullable=False),  # as rows of the spool have it
    Column("purposes", JSON, nullable=False),  # a list; empty for every purpose
    Column("since", DateTime(timezone=True), nullable=False),
    sqlite_autoincrement=True,
)

# What data subjects ask (`subjects.requests`). `client` is a pseudonym as in `objections`; those of
# rows, `visitors` and `users`, are kept until it is done.
subject_requests = Table(
    "subject_requests",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), nullable=False),
    Column("receipt", String(64), nullable=False, unique=True),  # SHA-256 of its 128 bits
    Column("kind", String(13), nullable=False),
    Column("state", String(11), nullable=False, index=True),
    Column("reason", String(40), nullable=False),  # of a refusal
    Column("client", String(32), nullable=False),
    Column("visitors", JSON, nullable=False),
    Column("users", JSON, nullable=False),
    Column("detail", LargeBinary),  # what else was said, sealed
    Column("opening", LargeBinary),  # what the answer is sealed with, itself sealed, until it is
    Column("answer", LargeBinary),  # sealed with what the person alone has
    Column("rows", BigInteger),  # how many rows it concerned
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("answered_at", DateTime(timezone=True)),
    sqlite_autoincrement=True,
)

# Whose rows are kept but counted nowhere (GDPR art. 18), until somebody lifts it.
restrictions = Table(
    "restrictions",
    metadata,
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("pseudonym", String(39), primary_key=True),  # a row's visitor or user
    Column("since", DateTime(timezone=True), nullable=False),
)

# What analysts declare. A definition is never changed; a removed one stays on record, because what
# was released of it may have been kept.
definitions = Table(
    "definitions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("name", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("removed_at", DateTime(timezone=True)),
    sqlite_autoincrement=True,
)

# Who added and removed which definition, and when.
definition_changes = Table(
    "definition_changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), nullable=False),
    Column("definition", Integer, nullable=False),
    Column("action", String(8), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("name", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    Column("by", String(254), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

# What people noted of a day: a release, a campaign.
day_notes = Table(
    "annotations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), nullable=False),
    Column("day", Date, nullable=False),
    Column("text", String(200), nullable=False),
    Column("by", String(254), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("annotations_by_day", "site", "day"),
)

# Which version of a day is shown of each definition, as `released_days` of the declared tables.
# Version 0: nothing of that day is ever shown, because the rows that its figures were made of are
# gone or not all there any more.
released_definitions = Table(
    "released_definitions",
    metadata,
    Column(
        "definition", Integer, ForeignKey("definitions.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("day", Date, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("digest", BigInteger, nullable=False),
    Column("computed_at", DateTime(timezone=True), nullable=False),
)

# Which version of an ISO week (by its Monday) or a calendar month (by its first day) is shown of
# the tables that follow people over days: unique visitors and retention, on the basis consent.
released_spans = Table(
    "released_spans",
    metadata,
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("period", String(5), primary_key=True),
    Column("first", Date, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("computed_at", DateTime(timezone=True), nullable=False),
)

# Sites of which an event came: when the first was stored, and until then why the newest was not
# kept (anonymize/event.py, Reason).
first_events = Table(
    "first_events",
    metadata,
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("reason", String(32), nullable=False),
    Column("received_at", DateTime(timezone=True)),
)

# One runner at a time of each kind of work, whichever process it lives in.
leases = Table(
    "leases",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)

people = Table(
    "people",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("password", String(200)),  # Argon2id, with its parameters; null: none was chosen
    # Of the second factor: the seed, sealed by the secret key, and the last step that was used.
    Column("seed", LargeBinary),
    Column("seed_step", BigInteger),
)

# Which role a person holds where (`accounts.grants`). `scope` is "all", every site, or "site".
grants = Table(
    "grants",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("person", Integer, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("scope", String(8), nullable=False),
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE")),
    Column("role", String(16), nullable=False),
    Column("purpose", String(500), nullable=False),
    Column("granted_by", String(254), nullable=False),  # an address, or the command line
    Column("granted_at", DateTime(timezone=True), nullable=False),
    Column("until", Date),  # the last day (UTC)
    Column("review_by", Date, nullable=False),  # the last day without a review
    sqlite_autoincrement=True,  # a withdrawn one's number is never given to another
)

# Each opens the second factor's door once. Of its 80 random bits only the SHA-256 is kept.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("person", Integer, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
)

# Of the 128 random bits in the browser's cookie only the SHA-256 is kept.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("person", Integer, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("browser", String(64), nullable=False),  # as "Firefox on Linux"
    Column("began_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True), nullable=False),
)

# Failed tries to sign in, by a keyed code of the account or of the network they came from.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
)

# A one-time link holds 128 random bits; only their SHA-256 is kept.
sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("person", Integer, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
)

# With a token a tool reads one site's figures. Of its 256 random bits only the SHA-256 is kept.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("site", Integer, ForeignKey("sites.id", ondelete="CASCADE"), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("until", Date),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_used", Date),  # the day: enough to find what nobody needs any more
    sqlite_autoincrement=True,  # a revoked token's number is never given to another
)

# Who did what with the service (`accounts.audit`). Of `detail` every value is plain.
audit_log = Table(
    "audit_log",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    Column("actor", String(254), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("code", String(64), nullable=False),
)


def as_utc(stored: datetime) -> datetime:
    """SQLite returns the UTC that was stored without saying so."""
    return stored if stored.tzinfo else stored.replace(tzinfo=UTC)


# Any number that nothing else on the server locks: "discreet" on a telephone's keys.
_MIGRATING = 34727338


def open_control(url: str) -> Engine:
    """Connects and brings the schema up to date. SQLite waits for a lock instead of failing."""
    engine = create_engine(url, pool_pre_ping=True)
    if engine.dialect.name == "postgresql":

        @event.listens_for(engine, "connect")
        def utc(connection, _record):  # type: ignore[no-untyped-def]  # DBAPI's
            # Times are UTC without saying so: no server's or user's own zone may be read into them.
            connection.execute("SET TIME ZONE 'UTC'")
            connection.commit()

    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def pragmas(connection, _record):  # type: ignore[no-untyped-def]  # DBAPI's
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            # SQLAlchemy emits BEGIN itself: sqlite3's own would start too late to lock.
            connection.isolation_level = None

        @event.listens_for(engine, "begin")
        def begin(connection):  # type: ignore[no-untyped-def]  # DBAPI's
            # Taking the write lock first makes every transaction, migrations too, wait for its
            # turn; one that reads before it writes would otherwise fail when overtaken.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # one process at a time; SQLite's begin sees to it
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
        config.attributes["connection"] = connection
        # Changes that do not build on each other are branches: each room adds its own.
        command.upgrade(config, "heads")
    return engine
