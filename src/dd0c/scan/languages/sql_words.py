"""What statements and functions of SQL do, by the words they begin with and are called by.

The single word of a statement says its worst; a longer beginning (`CREATE INDEX`) may say less. A
function that is not here, and that sqlglot does not know as one of its own, may do anything.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dd0c.scan.languages.facts import named
from dd0c.scan.models import Effect, Risk


class Meaning(NamedTuple):
    """What a beginning means."""

    risk: Risk
    rule: str
    reason: str
    effects: frozenset[Effect] = frozenset()


_READS = Meaning(Risk.SAFE, "", "", frozenset({Effect.READS}))
_SESSION = Meaning(Risk.SAFE, "", "")
_CHANGES = Meaning(
    Risk.CAUTION, "changes-data", "Changes what the database holds.", frozenset({Effect.WRITES})
)
_SERVER = Meaning(
    Risk.CAUTION, "changes-server", "Changes how the server works.", frozenset({Effect.WRITES})
)
_LOSES = Meaning(
    Risk.DANGEROUS, "loses-data", "Removes data for good.", frozenset({Effect.DELETES})
)
_CODE = Meaning(Risk.DANGEROUS, "loads-code", "Runs or sets up code in the database.", frozenset())
_RIGHTS = Meaning(
    Risk.CAUTION,
    "changes-rights",
    "Changes who may do what.",
    frozenset({Effect.WRITES, Effect.PRIVILEGE}),
)

QUERIES = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "FROM"})
"""Statements that only sqlglot can tell apart."""

_BEGINNINGS: dict[Meaning, str] = {
    _READS: """SHOW, DESC, DESCRIBE, HELP, CHECK TABLE, CHECKSUM TABLE, EXISTS, LIST ROLES,
        LIST USERS, LIST PERMISSIONS, FETCH""",
    _SESSION: """USE, BEGIN, BEGIN TRANSACTION, BEGIN WORK, BEGIN ISOLATION, BEGIN READ,
        START TRANSACTION, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE SAVEPOINT, RELEASE,
        LISTEN, UNLISTEN, DEALLOCATE, CLOSE, SET NAMES, SET TRANSACTION, SET TIMEZONE,
        SET TIME ZONE, SET STATEMENT_TIMEOUT, SET LOCK_TIMEOUT, SET CLIENT_ENCODING,
        SET SEARCH_PATH, SET NOCOUNT, DETACH DATABASE, CONSISTENCY, SERIAL CONSISTENCY, TRACING,
        EXPAND, PAGING, CLEAR, EXIT, QUIT, CLS, GO, UNLOCK TABLES""",
    _CHANGES: """INSERT, UPDATE, REPLACE, UPSERT, CREATE TABLE, CREATE TEMPORARY TABLE,
        CREATE TEMP TABLE, CREATE UNLOGGED TABLE, CREATE INDEX, CREATE UNIQUE INDEX, CREATE VIEW,
        CREATE MATERIALIZED VIEW, CREATE OR REPLACE VIEW, CREATE SEQUENCE, CREATE SCHEMA,
        CREATE DATABASE, CREATE KEYSPACE, CREATE TYPE, CREATE DOMAIN, CREATE STATISTICS,
        CREATE PUBLICATION, CREATE COLLATION, ALTER TABLE, ALTER INDEX, ALTER SEQUENCE, ALTER VIEW,
        ALTER DATABASE, ALTER SCHEMA, ALTER TYPE, ALTER KEYSPACE, ALTER MATERIALIZED VIEW,
        COMMENT ON, RENAME TABLE, LOAD DATA, LOAD XML, IMPORT TABLE, MERGE, COPY, NOTIFY,
        REFRESH MATERIALIZED VIEW, LOCK, ATTACH, COMMIT PREPARED, ROLLBACK PREPARED""",
    _SERVER: """SET, RESET, VACUUM, ANALYZE, ANALYSE, REINDEX, CLUSTER, CHECKPOINT, OPTIMIZE TABLE,
        OPTIMIZE, REPAIR TABLE, CACHE INDEX, FLUSH, KILL, START REPLICA, STOP REPLICA, START SLAVE,
        STOP SLAVE, START GROUP_REPLICATION, STOP GROUP_REPLICATION, DISCARD, SYSTEM RELOAD,
        SYSTEM FLUSH, SYSTEM STOP, SYSTEM START, SYSTEM SYNC, SYSTEM RESTART REPLICA, BACKUP,
        BINLOG""",
    _LOSES: """DELETE, DROP, TRUNCATE, PURGE, RESET MASTER, RESET SLAVE, RESET REPLICA,
        RESET BINARY, RESTORE, REASSIGN, DETACH, SHUTDOWN, UNDROP, SYSTEM""",
    _CODE: """CREATE, ALTER, DO, CALL, EXEC, EXECUTE, PREPARE, HANDLER, INSTALL, UNINSTALL,
        LOAD, IMPORT, CHANGE, RELOAD, SOURCE, SECURITY, DECLARE, MOVE, ALTER SYSTEM, SIGNAL""",
    _RIGHTS: """GRANT, REVOKE, CREATE USER, CREATE ROLE, CREATE GROUP, ALTER USER, ALTER ROLE,
        ALTER GROUP, ALTER DEFAULT PRIVILEGES, SET PASSWORD, SET ROLE, SET SESSION AUTHORIZATION,
        SET DEFAULT ROLE, RENAME USER, LOGIN""",
}

HEADS: dict[str, Meaning] = {
    " ".join(beginning.split()): meaning
    for meaning, beginnings in _BEGINNINGS.items()
    for beginning in beginnings.split(",")
}

GRANTED = re.compile(
    r"GRANT\s+(?:(?:SELECT|INSERT|UPDATE|DELETE|USAGE|CONNECT|REFERENCES|TEMPORARY|TEMP|SHOW\s+VIEW|"
    r"EXECUTE|REPLICATION\s+(?:CLIENT|SLAVE)|PROCESS)(?:\s*\([^)]*\))?(?:\s*,\s*|\s+))+ON\b",
    re.IGNORECASE,
)
"""Rights that are bounded: to work on named objects, not to rule over others."""

UNBOUNDED = re.compile(
    r"\b(?:SUPERUSER|CREATEROLE|CREATEDB|REPLICATION\s+TO|BYPASSRLS|ALL(?:\s+PRIVILEGES)?\s+(?:ON|TO)|"
    r"(?:GRANT|ADMIN)\s+OPTION|pg_(?:execute_server_program|read_server_files|write_server_files))\b",
    re.IGNORECASE,
)
LOSING_ALTER = re.compile(
    r"\b(?:DROP|TRUNCATE|DISCARD|DELETE|EXCHANGE|UPDATE|REMOVE)\b", re.IGNORECASE
)
CODE_SETTINGS = re.compile(
    r"(?:_command\b|_libraries\b|_library\b|library_path|plugin|init_|_file\b|_directory\b|program|"
    r"secure_file|_log_file|writable_schema|trusted_schema|load_extension|log_bin_trust|"
    r"local_infile|\bshell\b|\bdir\b)",
    re.IGNORECASE,
)
"""Settings that name what will be run, loaded or written."""

WRITING = named(
    "INSERT UPDATE DELETE DROP ALTER CREATE GRANT REVOKE EXEC EXECUTE CALL MERGE INTO COPY LOAD "
    "OUTFILE DUMPFILE ATTACH TRUNCATE PREPARE VACUUM"
)
"""Words that a query which only reads does not have outside of its strings and quoted names."""

PRAGMAS = named(
    "integrity_check quick_check foreign_key_check foreign_key_list table_info table_xinfo "
    "table_list index_list index_info index_xinfo database_list collation_list compile_options "
    "function_list module_list pragma_list data_version freelist_count page_count page_size "
    "schema_version user_version application_id encoding journal_mode auto_vacuum cache_size "
    "foreign_keys synchronous wal_autocheckpoint busy_timeout max_page_count"
)
_PRAGMAS_WITH_NAMES = re.compile(r"(?:integrity|quick)_check|_list$|_info$|_xinfo$")


def pragma_reads(name: str, given: bool) -> bool:
    """Whether a pragma of SQLite only shows, without or with a value."""
    return name in PRAGMAS and (not given or bool(_PRAGMAS_WITH_NAMES.search(name)))


READING = re.compile(
    r"""(?:
    pg_(?:stat_get_\w+|get_\w+|\w*size\w*|is_\w+|last_\w+|current_\w+|\w+_is_visible|column_\w+
    |blocking_pids|safe_snapshot_blocking_pids|postmaster_start_time|conf_load_time|backend_pid
    |my_temp_schema|sleep(?:_for|_until)?|relation_\w+|tablespace_\w+|typeof|encoding_to_char
    |char_to_encoding|show_all_settings|settings_get_flags|wal_lsn_diff|walfile_\w+|lock_status
    |prepared_xact|options_to_table|timezone_\w+|control_\w+|partition_\w+|describe_object
    |identify_object\w*|index\w*_has_property|index_column_has_property|available_\w+
    |hba_file_rules|file_settings|ls_waldir|ls_logdir|ls_tmpdir|ls_archive_statusdir
    |logical_slot_peek_changes|buffercache\w*|freespace\w*|visibility\w*|stat_statements
    |stat_statements_info|xact_commit_timestamp|xact_status|snapshot_\w+)
    |pgstat(?:tuple|index)\w*
    |has_\w+_privilege|(?:col|obj|shobj)_description|format_type|quote_(?:ident|literal|nullable)
    |current_(?:setting|database|schemas?|user|catalog|query)|version|inet_\w+|inet6_\w+|host|family
    |network|masklen|netmask|broadcast|txid_\w*snapshot\w*|txid_status|age|mxid_age
    |to_(?:char|date|number|timestamp|json|jsonb|hex|tsvector|tsquery|reg\w+|days|seconds|base64)
    |date_\w+|make_\w+|justify_\w+|timeofday|(?:clock|statement|transaction)_timestamp|now|sysdate
    |l?r?pad|[lrb]?trim|split_part|string_\w+|array_\w+|cardinality|unnest|generate_\w+
    |jsonb?_\w+|json|jsonb|row_to_json|array_to_json|regexp_\w+|overlay|position|strpos|substr
    |md5|sha\d*|crc32|encode|decode|ascii|chr|char|unicode|initcap|starts_with|translate|repeat
    |gen_random_uuid|uuid\w*|random\w*|rand|hash\w*|ts_(?:rank\w*|headline|delete|debug)
    |plainto_tsquery|websearch_to_tsquery|phraseto_tsquery|percentile_\w+|num_n\w+|div|gcd|lcm
    |scale|trim_scale|width_bucket|isfinite|extract|mod|bit_\w+|bool_(?:and|or)|every|row
    |coalesce|nullif|greatest|least|upper|lower|length|octet_length|char_length|character_length
    |sleep|connection_id|database|schema|user|session_user|system_user|last_insert_id|found_rows
    |row_count|unix_timestamp|from_unixtime|str_to_date|timediff|timestampdiff|timestampadd|time
    |timestamp|datetime|date|sec_to_time|time_to_sec|period_\w+|find_in_set|field|elt|format|hex
    |unhex|ifnull|isnull|if|iif|substring_index|truncate|convert|name_const|gtid_sub\w+
    |ps_current_thread_id|ps_thread_id|format_bytes|format_pico_time|format_time|is_used_lock
    |is_free_lock|any_value|group_concat|benchmark|strcmp|reverse|space|insert|locate|instr|quote
    |year\w*|quarter|month\w*|week\w*|day\w*|hour|minute|second|microsecond|utc_\w+|localtime\w*
    |changes|total_changes|last_insert_rowid|sqlite_(?:version|source_id|compileoption_\w+|offset)
    |typeof|printf|julianday|strftime|unixepoch|zeroblob|glob|like|likely|unlikely|likelihood
    |total|pragma_\w+|dbstat|octet_length|concat|concat_ws|nvl|nvl2|decode|systimestamp|numtodsinterval
    |token|ttl|writetime|totimestamp|dateof|unixtimestampof|mintimeuuid|maxtimeuuid|todate|blobas\w+
    |min|max|sum|avg|count|isnumeric|getdate|getutcdate|dateadd|datediff|datepart|datename|len
    |object_(?:name|id|definition)|db_(?:name|id)|serverproperty|databasepropertyex|suser_s?name
    |host_name|schema_name|charindex|patindex|stuff|choose|eomonth|sys_extract_utc|sys_context
    )""",
    re.VERBOSE | re.IGNORECASE,
)
"""Functions that compute or show."""

READING_CLICKHOUSE = re.compile(
    r"(?:(?:to|is|array|group|date|formatReadable|uniq|quantile|any|sum|avg|min|max|arg|count|has|"
    r"map|tuple|json|JSON|visitParam|extract|replace|match|multi|position|bit|round|now|if|dict[GH])"
    r"[A-Z0-9]\w*|hostName|hostname|uptime|version|today|yesterday|timezone|formatDateTime|numbers|"
    r"numbers_mt|zeros|cluster|clusterAllReplicas|uniq|empty|notEmpty|has|length|any|topK|"
    r"currentDatabase|currentUser|getSetting|tcpPort|splitByChar|splitByString|domain|path|"
    r"intDiv|median|runningDifference|neighbor|lag|lead|bar|demangle|addressToSymbol|"
    r"addressToLine|subtract[A-Z]\w+|add[A-Z]\w+|timeSlot|parseDateTime\w*|transform|"
    r"filesystem(?:Available|Capacity|Unreserved|Free)|mergeTreeIndex|values|merge)"
)

CHANGING = re.compile(
    r"(?:pg_(?:cancel|terminate)_backend|pg_(?:reload_conf|rotate_logfile|switch_\w+|promote|notify"
    r"|create_restore_point|stat_reset\w*|stat_statements_reset|advisory_\w+|try_advisory_\w+"
    r"|export_snapshot|wal_replay_(?:pause|resume)|backup_(?:start|stop)|start_backup|stop_backup"
    r"|prewarm|create_(?:physical|logical)_replication_slot|log_backend_memory_contexts"
    r"|log_standby_snapshot)|nextval|setval|set_config|setseed|txid_current|get_lock"
    r"|release_(?:all_)?locks?|master_pos_wait|source_pos_wait|wait_for_executed_gtid_set"
    r"|gin_clean_pending_list|brin_(?:summarize|desummarize)_\w+)",
    re.IGNORECASE,
)
"""Functions that change something that is bounded or can be undone."""

SYSTEM_SCHEMAS = frozenset(
    {"pg_catalog", "information_schema", "sys", "system", "performance_schema"}
)
UNSAFE_KNOWN = frozenset(
    {"NextValueFor", "ReadCSV", "ReadParquet", "ToFile", "DynamicIdentifier", "Transform", "Secret"}
)
"""sqlglot's own functions that do more than compute."""
