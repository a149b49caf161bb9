# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""What work leaves in Airflow's database: bytes on disk by table, payloads as they are written, rows read."""

from dataclasses import dataclass, field

from harness.cluster import Cluster

#: Columns that hold what a task hands to its trigger, a trigger to its task, and a task to others.
_PAYLOADS = (
    ("trigger", "kwargs"),
    ("task_instance", "next_kwargs"),
    ("rendered_task_instance_fields", "rendered_fields"),
    ("xcom", "value"),
)
_SIZES = """
SELECT c.relname, pg_total_relation_size(c.oid)
FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
_NOTE = """
CREATE SCHEMA bench;
CREATE UNLOGGED TABLE bench.written (place text, bytes bigint);
CREATE FUNCTION bench.note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE new_value text; old_value text;
BEGIN
    EXECUTE format('SELECT ($1).%%I::text', TG_ARGV[0]) INTO new_value USING NEW;
    IF TG_OP = 'UPDATE' THEN
        EXECUTE format('SELECT ($1).%%I::text', TG_ARGV[0]) INTO old_value USING OLD;
    END IF;
    IF new_value IS NOT NULL AND new_value IS DISTINCT FROM old_value THEN
        INSERT INTO bench.written VALUES (TG_TABLE_NAME || '.' || TG_ARGV[0], octet_length(new_value));
    END IF;
    RETURN NULL;
END $$;
"""


@dataclass(frozen=True)
class Growth:
    """What came between two looks at the database, in bytes.

    :param tables: bytes on disk of each table that grew, with its indexes and TOAST; updates leave dead rows there.
    :param payloads: octets written to each column that carries a task's or a trigger's values, updates too.
    :param wal: bytes of the write-ahead log: all that was written, whether or not it stayed.
    :param rows: rows of each table that has more of them.
    """

    tables: dict[str, int] = field(default_factory=dict)
    payloads: dict[str, int] = field(default_factory=dict)
    wal: int = 0
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Bytes on disk of all tables."""
        return sum(self.tables.values())

    @property
    def payload(self) -> int:
        """Octets of all payloads."""
        return sum(self.payloads.values())


class Database:
    """A cluster's Postgres, as something to be measured. Nothing is vacuumed away meanwhile."""

    def __init__(self, cluster: Cluster) -> None:
        """Have every payload noted as it is written, and keep autovacuum out of the sizes."""
        self._sql = cluster.sql
        self._sql("ALTER SYSTEM SET autovacuum = off")
        self._sql("SELECT pg_reload_conf()")
        self._sql(_NOTE)
        for table, column in _PAYLOADS:
            name = f"note_{table}_{column}"
            self._sql(
                f"CREATE TRIGGER {name} AFTER INSERT OR UPDATE ON public.{table} "
                f"FOR EACH ROW EXECUTE FUNCTION bench.note('{column}')"
            )

    def look(self) -> "Look":
        """Remember how things stand, to be asked later what came since.

        Room that earlier work left in the tables is taken away first, so that what comes has to grow them. That
        reads a table, so connections, whose reads are counted, are left alone.
        """
        for table in self._sizes().keys() - {"connection"}:
            self._sql(f'VACUUM FULL public."{table}"')
        return Look(self._sizes(), self._written(), str(self._sql("SELECT pg_current_wal_lsn()")[0][0]), self._rows())

    def since(self, look: "Look") -> Growth:
        """What came since."""
        sizes, written = self._sizes(), self._written()
        ((wal,),) = self._sql("SELECT pg_current_wal_lsn() - %s::pg_lsn", look.wal)
        return Growth(_more(sizes, look.sizes), _more(written, look.written), int(wal), _more(self._rows(), look.rows))

    def reads(self, table: str) -> int:
        """How many statements have read a table since the server began; a second old at most."""
        ((count,),) = self._sql(
            "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables "
            "WHERE schemaname = 'public' AND relname = %s",
            table,
        )
        return int(count)

    def _sizes(self) -> dict[str, int]:
        return {str(name): int(size) for name, size in self._sql(_SIZES)}

    def _rows(self) -> dict[str, int]:
        # Not from connections, whose reads are counted.
        tables = sorted(self._sizes().keys() - {"connection"})
        each = (f"SELECT '{table}', count(*) FROM public.\"{table}\"" for table in tables)
        return {str(name): int(count) for name, count in self._sql(" UNION ALL ".join(each))}

    def _written(self) -> dict[str, int]:
        rows = self._sql("SELECT place, sum(bytes) FROM bench.written GROUP BY place")
        return {str(place): int(size) for place, size in rows}


@dataclass(frozen=True)
class Look:
    """How a database stood."""

    sizes: dict[str, int]
    written: dict[str, int]
    wal: str
    rows: dict[str, int]


def _more(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    grown = {name: size - before.get(name, 0) for name, size in after.items()}
    return dict(sorted(((name, size) for name, size in grown.items() if size), key=lambda item: -item[1]))
