"""What programs of stores, languages, editors and connections are judged (N-12, N-13)."""

from __future__ import annotations

from dd0c.scan.models import Risk
from tests.scan.languages.reading import commands, files, risk

SAFE, CAUTION, DANGEROUS, _ = Risk

REDIS = {
    "ping": SAFE,
    "INFO replication\nget 'session:42'\nconfig get maxmemory": SAFE,
    "cluster nodes": SAFE,
    "client list": SAFE,
    "slowlog get 10": SAFE,
    "georadius k 1 2 3 km": SAFE,
    "debug object k": SAFE,
    "3 ping": SAFE,
    "set k v": CAUTION,
    "config set maxmemory 2gb": CAUTION,
    "client kill id 5": CAUTION,
    "replicaof no one": CAUTION,
    "cluster failover": CAUTION,
    "sort k store x": CAUTION,
    "bgsave": CAUTION,
    "FlushAll": DANGEROUS,
    "ping\nflushdb": DANGEROUS,
    "5 flushall": DANGEROUS,
    "del k": DANGEROUS,
    "config set dir /var/spool/cron": DANGEROUS,
    "CONFIG SET maxmemory 1 dbfilename x": DANGEROUS,
    "eval 'return 1' 0": DANGEROUS,
    "script load x": DANGEROUS,
    "module load /x.so": DANGEROUS,
    "acl setuser x on": DANGEROUS,
    "replicaof 10.0.0.5 6379": DANGEROUS,
    "cluster reset hard": DANGEROUS,
    "debug sleep 5": DANGEROUS,
    "config frob x": DANGEROUS,
    "frobnicate": DANGEROUS,
    "get 'x": DANGEROUS,
}


def test_a_command_of_redis_is_known() -> None:
    """What is not in the list may do anything; settings that let others in are dangerous (N-12)."""
    assert {text: risk("redis", text) for text in REDIS} == REDIS


MONGO = {
    "rs.status()": SAFE,
    "db.orders.find({status: 'x', n: {$gt: 5}}).sort({a: -1}).limit(5).toArray()": SAFE,
    'db.getSiblingDB("x").getCollection("y").countDocuments({a: ISODate("2024-01-01")})': SAFE,
    "printjson(db.serverStatus().connections)": SAFE,
    "show dbs\nuse shop\ndb.stats();": SAFE,
    "db.adminCommand({ping: 1})": SAFE,
    'db["orders"].find()': SAFE,
    "db.a.find({b: /x(y)/i}).count()": SAFE,
    "db.a.find({b: 1 /db.dropDatabase()/ 1})": DANGEROUS,
    "rs.stepDown(60)": CAUTION,
    "db.a.createIndex({b: 1}); db.a.insertOne({b: 1})": CAUTION,
    "db.a.deleteMany({})": DANGEROUS,
    "db.dropDatabase()": DANGEROUS,
    "db.a.updateMany({}, {$set: {b: 1}})": DANGEROUS,
    "db.adminCommand({shutdown: 1})": DANGEROUS,
    "db.a.find({$where: 'sleep(1)'})": DANGEROUS,
    "db.a.aggregate([{$out: 'b'}])": DANGEROUS,
    "db['drop' + 'Database']()": DANGEROUS,
    "db['dropDatabase']()": DANGEROUS,
    "(db.dropDatabase)()": DANGEROUS,
    "db.a.find().forEach(d => db.b.remove(d))": DANGEROUS,
    "load('x.js')": DANGEROUS,
    "require('child_process')": DANGEROUS,
    "var x = db; x.dropDatabase()": DANGEROUS,
    "`x`": DANGEROUS,
}


def test_a_script_of_mongodb_is_a_row_of_known_calls() -> None:
    """What is no chain of known calls with plain values is JavaScript, and dangerous (N-12)."""
    assert {text: risk("mongo", text) for text in MONGO} == MONGO


PYTHON = {
    "print(1 + 1)": SAFE,
    "import sys; print(sys.version)": SAFE,
    "import sys, json; print(json.load(sys.stdin)['a'][0]['b'])": SAFE,
    "import json,sys\nfor x in json.load(sys.stdin)['items']: print(x.get('name'), end=' ')": SAFE,
    "from datetime import datetime as d; print(d.now().isoformat())": SAFE,
    "import sys; [print(l.strip().upper()) for l in sys.stdin if 'x' in l]": SAFE,
    "import base64; print(base64.b64decode('eA==').decode())": SAFE,
    "print(open('/etc/shadow').read())": DANGEROUS,
    "import os; os.remove('x')": DANGEROUS,
    "import sys; sys.modules['os'].system('x')": DANGEROUS,
    "().__class__.__base__.__subclasses__()": DANGEROUS,
    "import json; json.codecs.builtins.exec('x')": DANGEROUS,
    "exec(input())": DANGEROUS,
    "eval(input())": DANGEROUS,
    "getattr(1, 'x')": DANGEROUS,
    "__import__('os')": DANGEROUS,
    "import sys; sys.path.insert(0, '/x'); import csv": DANGEROUS,
    "from sys import modules": DANGEROUS,
    "from os import read; read(0, 1)": DANGEROUS,
    "from json import *": DANGEROUS,
    "import json.tool": DANGEROUS,
    "import re; re.compile = 1": DANGEROUS,
    "compile('x', '', 'exec')": DANGEROUS,
    "def f(): pass": DANGEROUS,
    "class A: pass": DANGEROUS,
    "with x as y: pass": DANGEROUS,
    "print(f'{globals()}')": DANGEROUS,
    "import socket; socket.create_connection(('x', 1))": DANGEROUS,
    "x = 1\ndel x": DANGEROUS,
    "print(": DANGEROUS,
}


def test_a_little_python_is_proven_to_compute() -> None:
    """A filter on JSON passes; whatever is not on the lists is dangerous (N-12, N-13)."""
    assert {text: risk("python", text) for text in PYTHON} == PYTHON


ESCAPES = {
    ("vim", "q!"): SAFE,
    ("vim", "set nu"): SAFE,
    ("vim", "w /etc/passwd"): DANGEROUS,
    ("vim", "call system('x')"): DANGEROUS,
    ("vim", "set shell=/x"): DANGEROUS,
    ("gdb", "bt full\nthread apply all bt\nquit"): SAFE,
    ("gdb", "p system(1)"): DANGEROUS,
    ("gdb", "python import os"): DANGEROUS,
    ("gdb", "source x"): DANGEROUS,
    ("ed", "1,5p\nq"): SAFE,
    ("ed", "w x"): DANGEROUS,
    ("dc", "2 3 + p"): SAFE,
    ("dc", "[!x]sa"): DANGEROUS,
    ("ssh", "ConnectTimeout=5"): SAFE,
    ("ssh", "stricthostkeychecking no"): SAFE,
    ("ssh", "ProxyCommand=none"): SAFE,
    ("ssh", "RemoteForward=80 x:80"): CAUTION,
    ("ssh", "PKCS11Provider=./x.so"): DANGEROUS,
    ("ssh", "Include=x"): DANGEROUS,
    ("ssh", "frobnicate"): DANGEROUS,
    ("socat", "TCP:x:80"): SAFE,
    ("socat", "-"): SAFE,
    ("socat", "TCP-LISTEN:80,fork"): CAUTION,
    ("socat", "frob:x"): DANGEROUS,
}


def test_commands_of_editors_and_connections_are_known() -> None:
    """What shows or leaves is known; the rest of these languages is not read (N-12)."""
    assert {(one, text): risk(one, text) for one, text in ESCAPES} == ESCAPES


SHELL = {
    ("vim", "silent! !rm x"): ["cat | rm x"],
    ("vim", "%!sh"): ["cat | sh"],
    ("vim", ":r !rm x"): ["cat | rm x"],
    ("gdb", "shell rm x"): ["rm x"],
    ("gdb", "!rm x"): ["rm x"],
    ("ed", "1,5w !sh"): ["cat | sh"],
    ("ed", "p\n!rm x\nq"): ["cat | rm x"],
    ("dc", "!rm x"): ["cat | rm x"],
    ("ssh", "proxycommand rm x"): ["rm x"],
    ("ssh", "LOCALCOMMAND=rm x"): ["rm x"],
    ("socat", "EXEC:/bin/sh,pty"): ["cat | /bin/sh,pty"],
    ("socat", "system:rm x"): ["cat | rm x"],
}


def test_ways_out_are_handed_back() -> None:
    """Shell text behind an escape is judged as such, with what it is fed (N-13)."""
    assert {(one, text): commands(one, text) for one, text in SHELL} == SHELL
    assert files("socat", "create:/etc/cron.d/x") == [("/etc/cron.d/x", True)]
