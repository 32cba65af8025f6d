"""Redis' commands: each known by what it does; one that is not known may do anything.

A script of redis-cli has one command a line, with quotes as in C; a number in front repeats it.
Only the words that decide are looked at: the command, for some the second word, for a few any word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dd0c.scan.languages.facts import Facts, caution, dangerous, named, unreadable
from dd0c.scan.models import Effect

_READS = named(
    "get mget strlen getrange substr exists ttl pttl expiretime pexpiretime type keys scan "
    "randomkey dbsize info ping echo time lastsave role hget hmget hgetall hkeys hvals hlen "
    "hexists hstrlen hscan hrandfield httl hpttl lrange llen lindex lpos smembers scard "
    "sismember smismember sscan srandmember sinter sunion sdiff sintercard zrange zrevrange "
    "zrangebyscore zrevrangebyscore zrangebylex zrevrangebylex zcard zcount zlexcount zscore "
    "zmscore zrank zrevrank zscan zrandmember zinter zunion zdiff zintercard xrange xrevrange "
    "xlen xread bitcount bitpos getbit bitfield_ro pfcount geopos geodist geohash geosearch "
    "georadius_ro georadiusbymember_ro sort_ro georadius georadiusbymember sort lcs dump touch "
    "auth hello select quit monitor subscribe psubscribe ssubscribe unsubscribe punsubscribe "
    "readonly readwrite asking command lolwut wait waitaof multi exec discard watch unwatch help"
)
_CHANGES = named(
    "set setnx setex psetex mset msetnx setrange append incr incrby incrbyfloat decr decrby "
    "getset getex hset hsetnx hmset hincrby hincrbyfloat hexpire hpexpire hpersist lpush rpush "
    "lpushx rpushx lset linsert lmove rpoplpush blmove brpoplpush sadd smove zadd zincrby xadd "
    "xack xclaim xautoclaim xsetid setbit bitop bitfield pfadd pfmerge geoadd expire pexpire "
    "expireat pexpireat persist copy publish spublish save bgsave bgrewriteaof failover "
    "sinterstore sunionstore sdiffstore zinterstore zunionstore zdiffstore zrangestore "
    "geosearchstore rename renamenx move reset"
)
_LOSES = named(
    "del unlink flushall flushdb getdel hdel hgetdel lpop rpop blpop brpop lmpop blmpop lrem "
    "ltrim spop srem zrem zremrangebyrank zremrangebyscore zremrangebylex zpopmin zpopmax "
    "bzpopmin bzpopmax zmpop bzmpop xdel xtrim swapdb migrate restore shutdown replicaof slaveof "
    "debug"
)
_STORING = named("sort georadius georadiusbymember")
_SUBCOMMANDS: dict[str, dict[str, str]] = {
    "config": {"reads": "get help", "changes": "set rewrite resetstat"},
    "client": {
        "reads": "list info id getname getredir trackinginfo help",
        "changes": "kill pause unpause setname setinfo reply no-evict no-touch tracking unblock "
        "caching",
    },
    "cluster": {
        "reads": "info nodes slots shards links myid myshardid keyslot countkeysinslot "
        "getkeysinslot slaves replicas count-failure-reports slot-stats help",
        "changes": "failover meet addslots addslotsrange setslot replicate saveconfig bumpepoch "
        "set-config-epoch",
    },
    "slowlog": {"reads": "get len help", "changes": "reset"},
    "latency": {"reads": "latest history doctor graph histogram help", "changes": "reset"},
    "memory": {"reads": "usage stats doctor malloc-stats help", "changes": "purge"},
    "object": {"reads": "encoding freq idletime refcount help"},
    "acl": {
        "reads": "list users whoami cat getuser log dryrun genpass help",
        "changes": "load save",
    },
    "script": {"reads": "exists help", "changes": "flush kill"},
    "function": {"reads": "list stats help dump", "changes": "kill"},
    "module": {"reads": "list help"},
    "pubsub": {"reads": "channels numsub numpat shardchannels shardnumsub help"},
    "xinfo": {"reads": "stream groups consumers help"},
    "xgroup": {"reads": "help", "changes": "create createconsumer setid"},
    "command": {"reads": "count info docs getkeys getkeysandflags list help"},
    "debug": {"reads": "object"},
    "sentinel": {
        "reads": "master masters replicas slaves sentinels get-master-addr-by-name ckquorum "
        "is-master-down-by-addr myid info-cache pending-scripts help",
        "changes": "failover flushconfig monitor reset set config",
    },
}
_CODE_SETTINGS = re.compile(
    r"dir|dbfilename|appendfilename|appenddirname|loadmodule|logfile|unixsocket|aclfile|enable-.*|"
    r"rename-command|protected-mode|requirepass|masterauth|.*script.*|pidfile|include|slaveof|"
    r"replicaof",
    re.IGNORECASE,
)
"""Settings that let others in, or say where the server writes: the way from Redis to a shell."""
_LINE = re.compile(r"[^\n]+")
_WORD = re.compile(r"""[^\s"']+|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""")


def read(text: str, dialect: str | None) -> Facts:
    """All that the commands of a script do."""
    for line in _LINE.finditer(text):
        if not line[0].strip():
            continue
        words = [(found[1] or found[2] or found[0]).lower() for found in _WORD.finditer(line[0])]
        if not words or len(re.findall(r"[\"']", line[0])) % 2:
            yield unreadable("a command of Redis", line.start(), line.end())
            continue
        while len(words) > 1 and words[0].isdigit():
            words.pop(0)
        yield from _judge(words, line.start(), line.end())


def _judge(words: Sequence[str], start: int, end: int) -> Facts:
    name, second = words[0], words[1] if len(words) > 1 else ""
    group = _SUBCOMMANDS.get(name)
    known = {kind: names.split() for kind, names in group.items()} if group else {}
    reads = second in known.get("reads", ()) if second and group else name in _READS
    changes = second in known.get("changes", ()) if second and group else name in _CHANGES
    settings = words[2::2] if name in ("config", "sentinel") and second != "get" else ()
    if any(_CODE_SETTINGS.fullmatch(word) for word in settings):
        yield dangerous("loads-code", "Sets where the server writes.", start, end)
    stores = name in _STORING and "store" in words
    if reads and not stores:
        return
    if changes or stores or (name in ("replicaof", "slaveof") and second == "no"):
        yield caution("changes-data", "Changes what Redis holds.", start, end, Effect.WRITES)
    elif name in _LOSES:
        yield dangerous("loses-data", "Removes what Redis holds.", start, end, Effect.DELETES)
    else:
        yield dangerous("program-unreadable", "This is no command known here.", start, end)
