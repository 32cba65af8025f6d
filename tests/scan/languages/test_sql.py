"""What statements of SQL are judged, by dialect (N-12, N-13)."""

from __future__ import annotations

import pytest

from dd0c.scan.languages.facts import Fact
from dd0c.scan.models import Effect, Risk
from tests.scan.languages.reading import commands, facts, files, risk

SAFE, CAUTION, DANGEROUS, _ = Risk

POSTGRES = {
    "select 1": SAFE,
    "SELECT count(*) FROM a.b WHERE c > now() - interval '1 day' GROUP BY d": SAFE,
    "select pg_size_pretty(pg_total_relation_size('t'))": SAFE,
    "select * from pg_locks l join pg_stat_activity a using (pid) where not granted": SAFE,
    "with t as (select 1 as a) select a from t union all select 2": SAFE,
    "values (1), (2)": SAFE,
    "table orders": SAFE,
    "show all; show work_mem": SAFE,
    "begin; select 1; rollback": SAFE,
    "explain (costs off) delete from t where a = 1": SAFE,
    "select 'drop table t; delete from u' as note": SAFE,
    "select $$drop table t$$, $x$ '; delete $x$": SAFE,
    'select "update" from "delete"': SAFE,
    "select replace(a, 'x', 'y'), truncate(b, 2) from t": SAFE,
    "-- drop table t\nselect 1 /* truncate u */": SAFE,
    "select pg_catalog.pg_backend_pid()": SAFE,
    "copy t to stdout": SAFE,
    "copy (delete from t returning *) to stdout": DANGEROUS,
    # changes
    "select * from t for update": CAUTION,
    "select a into b from c": CAUTION,
    "select nextval('s')": CAUTION,
    "select pg_reload_conf()": CAUTION,
    "insert into t select * from u": CAUTION,
    "insert into t values (1) on conflict do nothing": CAUTION,
    "update t set a = 1 where b = 2": CAUTION,
    "create table t (a int)": CAUTION,
    "create unique index concurrently i on t (a)": CAUTION,
    "alter table t add column a int": CAUTION,
    "vacuum (full, verbose) t": CAUTION,
    "reindex index i": CAUTION,
    "set work_mem = '1GB'": CAUTION,
    "comment on table t is 'x'": CAUTION,
    "refresh materialized view v": CAUTION,
    "grant select, insert on t to bob": CAUTION,
    "copy t from stdin": CAUTION,
    "explain analyze insert into t values (1)": CAUTION,
    "with a as (insert into b values (1) returning *) select * from a": CAUTION,
    # destroys, or may do anything
    "delete from t where a = 1": DANGEROUS,
    "drop index i": DANGEROUS,
    "truncate t, u": DANGEROUS,
    "update t set a = 1": DANGEROUS,
    "update t set a = 1 where true": DANGEROUS,
    "update t set a = 1 where 1 = 1 or 2 = 2": DANGEROUS,
    "alter table t drop column a": DANGEROUS,
    "select 1; drop table t": DANGEROUS,
    "with x as (delete from t returning *) select count(*) from x": DANGEROUS,
    "with x as (update t set a = 1 returning *) select count(*) from x": DANGEROUS,
    "explain analyze delete from t": DANGEROUS,
    "EXPLAIN (VERBOSE, ANALYZE) DELETE FROM t": DANGEROUS,
    "explain /* */ analyze delete from t": DANGEROUS,
    "merge into a using b on a.x = b.x when matched then delete": DANGEROUS,
    "do $$ begin perform 1; end $$": DANGEROUS,
    "call tidy()": DANGEROUS,
    "prepare p as delete from t": DANGEROUS,
    "execute p": DANGEROUS,
    "create function f() returns int language sql as 'select 1'": DANGEROUS,
    "create extension plpython3u": DANGEROUS,
    "create trigger t after insert on a execute function f()": DANGEROUS,
    "alter system set archive_command = 'x'": DANGEROUS,
    "alter role bob superuser": DANGEROUS,
    "set session_preload_libraries = 'x'": DANGEROUS,
    "grant all on t to bob": DANGEROUS,
    "grant admins to bob": DANGEROUS,
    "grant select on t to bob with grant option": DANGEROUS,
    "select pg_read_file('/etc/passwd')": DANGEROUS,
    'select pg_catalog."pg_read_binary_file"($$x$$)': DANGEROUS,
    "select lo_import('/x'), lo_export(1, '/y')": DANGEROUS,
    "select * from dblink('x', 'drop table t') as t(a int)": DANGEROUS,
    "select query_to_xml('delete from t', true, true, '')": DANGEROUS,
    "select app.tidy(1)": DANGEROUS,
    "select app.count(1)": DANGEROUS,
    "select :cmd": DANGEROUS,
    "frobnicate t": DANGEROUS,
    "select from where": DANGEROUS,
    r"select '\'; drop table t; --'": DANGEROUS,
    "select /* /* */ 1 */ 2": DANGEROUS,
    "select 'unterminated": DANGEROUS,
    "copy t to program $$x$$": DANGEROUS,
    "reassign owned by bob to alice": DANGEROUS,
    "begin delete from t; end": DANGEROUS,
}

MYSQL = {
    "show slave status": SAFE,
    "show create table a.b": SAFE,
    "use shop; select * from orders limit 5": SAFE,
    "select @@version, user, host from mysql.user": SAFE,
    "describe t": SAFE,
    "explain delete from t": SAFE,
    "checksum table t": SAFE,
    "select if(a > 1, 'x', 'y'), sleep(1) from t": SAFE,
    "select `drop` from `delete` # truncate\n": SAFE,
    "set global max_connections = 5": CAUTION,
    "kill 5": CAUTION,
    "replace into t values (1)": CAUTION,
    "flush tables": CAUTION,
    "analyze table t": CAUTION,
    "lock tables t read": CAUTION,
    "load data infile '/x' into table t": CAUTION,
    "start replica; stop slave": CAUTION,
    "create user ro@localhost": CAUTION,
    "select 1 /*!50000 ; drop table t */": DANGEROUS,
    "select 1 /*M! into outfile '/x' */": DANGEROUS,
    "select '<?php' into outfile '/var/www/x.php'": DANGEROUS,
    "select a from t into dumpfile '/x'": DANGEROUS,
    "table t into outfile '/x'": DANGEROUS,
    "select load_file('/etc/passwd')": DANGEROUS,
    "select sys_exec('x')": DANGEROUS,
    "set global general_log_file = '/var/www/x.php'": DANGEROUS,
    "set global init_connect = 'x'": DANGEROUS,
    "install plugin x soname 'y.so'": DANGEROUS,
    "reset master": DANGEROUS,
    "purge binary logs before now()": DANGEROUS,
    "change master to master_host = 'x'": DANGEROUS,
    "analyze delete from t": DANGEROUS,
    "grant all on *.* to bob@'%'": DANGEROUS,
    "drop user bob": DANGEROUS,
    "update t set a = 1 limit 5": DANGEROUS,
}

SQLITE = {
    "pragma integrity_check": SAFE,
    "pragma table_info('t')": SAFE,
    "select sqlite_version(), total_changes()": SAFE,
    "select * from pragma_table_info('t')": SAFE,
    "pragma journal_mode = wal": CAUTION,
    "vacuum": CAUTION,
    "pragma writable_schema = 1": DANGEROUS,
    "select load_extension('./x')": DANGEROUS,
    "select writefile('/x', 'y')": DANGEROUS,
    "select edit('x', 'sh')": DANGEROUS,
    "delete from t": DANGEROUS,
}

OTHERS = {
    ("clickhouse", "select count() from system.parts where active format JSON"): SAFE,
    ("clickhouse", "select formatReadableSize(sum(bytes)), uniqExact(a) from t"): SAFE,
    ("clickhouse", "optimize table t final"): CAUTION,
    ("clickhouse", "system flush logs"): CAUTION,
    ("clickhouse", "select * from url('http://x', CSV)"): DANGEROUS,
    ("clickhouse", "select * from executable('x', TSV, 'a String')"): DANGEROUS,
    ("clickhouse", "alter table t delete where a = 1"): DANGEROUS,
    ("clickhouse", "system shutdown"): DANGEROUS,
    ("clickhouse", "insert into function file('x') select 1"): DANGEROUS,
    ("cql", "describe keyspaces; select * from ks.t limit 3"): SAFE,
    ("cql", "select * from t where a = 1 allow filtering"): SAFE,
    ("cql", "consistency quorum; insert into t (a) values (1)"): CAUTION,
    ("cql", "truncate t"): DANGEROUS,
    ("cql", "source 'x.cql'"): DANGEROUS,
    ("tsql", "select top 5 * from t"): SAFE,
    ("tsql", "select 1 exec tidy"): DANGEROUS,
    ("tsql", "use x drop database y"): DANGEROUS,
    ("tsql", "exec xp_cmdshell 'dir'"): DANGEROUS,
    ("frob", "select 1"): DANGEROUS,
}


@pytest.mark.parametrize(
    ("dialect", "table"),
    [("postgres", POSTGRES), ("mysql", MYSQL), ("sqlite", SQLITE)],
    ids=["postgres", "mysql", "sqlite"],
)
def test_a_statement_is_judged_by_what_it_does(dialect: str, table: dict[str, Risk]) -> None:
    """A query is proven to read, a change is a change, and what loses data, runs code or cannot be
    read for certain is dangerous (N-12)."""
    assert {text: risk("sql", text, dialect) for text in table} == table


def test_dialects_have_words_of_their_own() -> None:
    """What is a function or a statement hangs on the database (N-12)."""
    assert {(d, text): risk("sql", text, d) for d, text in OTHERS} == OTHERS


def test_a_statement_names_its_effects() -> None:
    """A verdict says what a statement does to the world (N-10)."""
    effects = {
        text: frozenset[Effect]().union(
            *(one.effects for one in facts("sql", text) if isinstance(one, Fact))
        )
        for text in ("select 1", "drop table t", "create user bob")
    }

    assert effects == {
        "select 1": {Effect.READS},
        "drop table t": {Effect.DELETES},
        "create user bob": {Effect.WRITES, Effect.PRIVILEGE},
    }


CLIENTS = {
    ("postgres", r"\dt+"): SAFE,
    ("postgres", "\\timing on\n\\x\nselect 1;\n\\l"): SAFE,
    ("postgres", r"select 1 \g"): SAFE,
    ("postgres", r"\d+ orders \x \q"): SAFE,
    ("postgres", r"\connect shop"): CAUTION,
    ("postgres", r"\i more.sql"): DANGEROUS,
    ("postgres", r"select 'drop table t' \gexec"): DANGEROUS,
    ("postgres", r"\x \\ drop table t"): DANGEROUS,
    ("postgres", r"\setenv PAGER sh"): DANGEROUS,
    ("postgres", r"\ef f"): DANGEROUS,
    ("postgres", r"\lo_import /etc/passwd"): DANGEROUS,
    ("postgres", r"\frobnicate"): DANGEROUS,
    ("mysql", r"show slave status\G show master status\G"): SAFE,
    ("mysql", "status\nselect 1;"): SAFE,
    ("mysql", "nopager; select 1"): SAFE,
    ("mysql", "source x.sql"): DANGEROUS,
    ("mysql", r"\. x.sql"): DANGEROUS,
    ("mysql", "delimiter //"): DANGEROUS,
    ("mysql", "select 1; edit"): DANGEROUS,
    ("sqlite", ".tables\n.schema t\nselect 1;"): SAFE,
    ("sqlite", ".mode box"): SAFE,
    ("sqlite", ".sche"): SAFE,
    ("sqlite", ".read x.sql"): DANGEROUS,
    ("sqlite", ".load ./x"): DANGEROUS,
    ("sqlite", ".restore x"): DANGEROUS,
    ("sqlite", ".s"): DANGEROUS,
    ("sqlite", ".frobnicate"): DANGEROUS,
    ("cql", "copy t to 'x.csv'"): CAUTION,
}


def test_commands_of_clients_are_known_by_name() -> None:
    """What a client reads beside SQL is proven to show, or dangerous (N-13)."""
    assert {(d, text): risk("sql", text, d) for d, text in CLIENTS} == CLIENTS


SHELL = {
    ("postgres", "select 1;\n\\! rm -rf /x"): ["rm -rf /x"],
    ("postgres", r"\! echo \\ ; rm x"): [r"echo \\ ; rm x"],
    ("postgres", r"\o | sh"): ["cat |  sh"],
    ("postgres", r"select 1 \g |sh"): ["cat | sh"],
    ("postgres", r"\set x `rm x` `rm y`"): ["rm x", "rm y"],
    ("postgres", r"\copy t from program 'rm ''x'''"): ["rm 'x'"],
    ("postgres", "COPY t TO PROGRAM 'rm x'"): ["rm x"],
    ("postgres", "copy (select ' program ''ls'' ') to program 'rm x'"): ["rm x"],
    ("mysql", "system rm x"): ["rm x"],
    ("mysql", "SYSTEM rm x;"): ["rm x"],
    ("mysql", "select 1;\\! rm x"): ["rm x"],
    ("mysql", "pager sh; select 'x'"): ["cat | sh; select 'x'"],
    ("sqlite", ".shell rm x"): ["rm x"],
    ("sqlite", "select 1;\n  .sys rm x"): ["rm x"],
    ("sqlite", ".once |sh"): ["sh"],
    ("sqlite", '.import "|rm x" t'): ["rm x"],
    ("postgres", "select E'\\\\! rm x'"): [],
    ("sqlite", "select '\n.shell rm x'"): [],
}


def test_a_clients_way_to_the_shell_is_handed_back() -> None:
    """Shell text behind an escape is judged as shell text, with what it is fed (N-13)."""
    assert {(d, text): commands("sql", text, d) for d, text in SHELL} == SHELL


def test_files_that_statements_name_are_handed_back() -> None:
    """A file that a client or a server opens is judged by its path (N-12)."""
    assert files("sql", "copy t to '/etc/cron.d/x'", "postgres") == [("/etc/cron.d/x", True)]
    assert files("sql", "copy t from '/etc/shadow'", "postgres") == [("/etc/shadow", False)]
    assert files("sql", r"\copy t to /tmp/x", "postgres") == [("/tmp/x", True)]
    assert files("sql", r"\o /tmp/x", "postgres") == [("/tmp/x", True)]
    assert files("sql", "tee /tmp/x", "mysql") == [("/tmp/x", True)]
    assert files("sql", ".backup main '/tmp/x'", "sqlite") == [("/tmp/x", True)]
    assert files("sql", "attach '/x' as y", "sqlite") == [("/x", True)]
    assert files("sql", "vacuum into '/x'", "sqlite") == [("/x", True)]
