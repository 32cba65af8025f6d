"""What sed's scripts, awk's programs, jq's filters and find's words are judged (N-12, N-13)."""

from __future__ import annotations

from dd0c.scan.languages.facts import Fact
from dd0c.scan.models import Effect, Risk
from dd0c.scan.verdicts import judge
from tests.scan.languages.reading import commands, facts, files, risk

SAFE, CAUTION, DANGEROUS, _ = Risk

SED = {
    "p": SAFE,
    "10,20p;$d": SAFE,
    "/start/,/end/!d": SAFE,
    "s/[^/]*$//": SAFE,
    "s#^(.*)/x#\\1/y#g; s/a/b/2": SAFE,
    ":a;N;$!ba;s/\\n/,/g": SAFE,
    "y/abc/xyz/": SAFE,
    "1~3{s/a/b/;}": SAFE,
    "/x/a\\\nfoo\\\ne bar": SAFE,  # the text goes on behind the backslash
    "$a e id": SAFE,
    "\\,x,Id": SAFE,
    "s/e/w/; # e x\ns/w/e/": SAFE,
    "/a/{/b/{p}}": SAFE,
    "0,/x/s//y/I": SAFE,
    "s/\\(a\\)/e/p;l 5;=": SAFE,
    "1e id": CAUTION,
    "/x/{p;e id\n}": CAUTION,
    "$!{e\tid\n}": CAUTION,
    "s/a/b/;e id": CAUTION,
    "e": DANGEROUS,
    "s/x/y/e": DANGEROUS,
    "s,a,b,gpe": DANGEROUS,
    "s|[|]|e": DANGEROUS,
    "s/[/]/x/;e\n": DANGEROUS,
    "s/x/a\\\nb/e": DANGEROUS,
    "s/a/b": DANGEROUS,
    "k": DANGEROUS,
    "s/a/b/q": DANGEROUS,
    "s/a/b\\": DANGEROUS,
    ":a e id": CAUTION,
}


def test_a_script_of_sed_is_proven_to_print() -> None:
    """Every command of a script is known; what runs the line, or cannot be read, is dangerous."""
    assert {text: risk("sed", text) for text in SED} == SED


def test_what_sed_starts_and_opens_is_handed_back() -> None:
    """Commands and files of a script are judged as such, to the end of their line (N-13)."""
    assert commands("sed", "1e rm -rf /x; p") == ["rm -rf /x; p"]
    assert commands("sed", "s,.*,rm x,e") == ["rm x"]
    assert files("sed", "s/a/b/w /etc/cron.d/x") == [("/etc/cron.d/x", True)]
    assert files("sed", "/x/w/etc/cron.d/x;p") == [("/etc/cron.d/x;p", True)]
    assert files("sed", "r /etc/shadow\np") == [("/etc/shadow", False)]


AWK = {
    "{print $1}": SAFE,
    "$3 >= 1000 && $4 < 2 {print $1 / 1024}": SAFE,
    "/system\\(/ {print}": SAFE,
    '{print "system(1) | sh > x"}': SAFE,
    "# system(x)\n{print}": SAFE,
    "!seen[$0]++": SAFE,
    'NR==FNR{a[$1]=$2;next} $1 in a {printf "%s %s\\n", $0, a[$1]}': SAFE,
    "function f(x) { return x / 2 } {print f($1)}": SAFE,
    '{gsub(/[^0-9.\\/]/, "", $2); print (NR % 2 ? "a" : "b")}': SAFE,
    "{ if ($1 > 3) { print ($1 > 4) } else print 1,\n2 }": SAFE,
    "END { for (k in a) s += a[k] / n++ / 2; print s }": SAFE,
    "{while ((getline line) > 0) n++}": SAFE,
    'BEGIN{system("id")}': CAUTION,
    'BEGIN { "date" | getline d; print d }': CAUTION,
    'END {print k | "sort -n"}': CAUTION,
    "{getline x < $1; print x}": CAUTION,
    'BEGIN {ARGV[1] = "x"}': CAUTION,
    "{system($0)}": DANGEROUS,
    "BEGIN { c = ARGV[1]; system ( c ) }": DANGEROUS,
    'system("a" "b")': DANGEROUS,
    'BEGIN {system("\\162m x")}': DANGEROUS,
    "{print | cmd}": DANGEROUS,
    '{print $1 | "sh " f}': DANGEROUS,
    '{"cat " $1 | getline x}': DANGEROUS,
    "{print > $1}": DANGEROUS,
    '{print >> ENVIRON["HOME"] "/.bashrc"}': DANGEROUS,
    '{printf "%s", $1 > f(x)}': DANGEROUS,
    "{print $1,\n $2 > $3}": DANGEROUS,
    'BEGIN{f="system"; @f("id")}': DANGEROUS,
    '@load "filefuncs"\nBEGIN {}': DANGEROUS,
    'BEGIN{print "x" |& "/inet/tcp/0/10.0.0.1/80"}': CAUTION,
    'BEGIN{getline x < "/inet/tcp/0/10.0.0.1/80"}': DANGEROUS,
    'BEGIN { if (1) /"/; system("x"); /"/ }': DANGEROUS,
    "BEGIN { a = 4 / 2; system($1); b = 1 / 2 }": DANGEROUS,
    'BEGIN{extension("x")}': DANGEROUS,
    "{print": DANGEROUS,
    '{print "x}': DANGEROUS,
    "{print )}": DANGEROUS,
    "{print \\}": DANGEROUS,
}


def test_a_program_of_awk_is_proven_to_print() -> None:
    """Division is told from patterns, comparing from redirecting; what is not said is dangerous."""
    assert {text: risk("awk", text) for text in AWK} == AWK


def test_what_awk_starts_and_opens_is_handed_back() -> None:
    """A lone string is a command or a file; what is printed into a command is its input (N-13)."""
    assert commands("awk", 'BEGIN{system("rm -rf \\"/x\\"")}') == ['rm -rf "/x"']
    assert commands("awk", '"rm x" | getline') == ["rm x"]
    assert commands("awk", '{print "rm x" | "sh"}') == ["cat | sh"]
    assert files("awk", '{print > "/etc/cron.d/x"}') == [("/etc/cron.d/x", True)]
    assert files("awk", '{print $1 >> "/dev/stderr"}') == [("/dev/stderr", True)]
    assert files("awk", 'BEGIN{while ((getline l < "/etc/shadow") > 0) print l}') == [
        ("/etc/shadow", False)
    ]


def test_a_filter_of_jq_can_only_read() -> None:
    """jq neither runs nor writes; the environment and files are named. yq can do more (N-12)."""
    table = {
        ("jq", '.items[] | select(.env == "x") | .import, {env: 1}'): SAFE,
        ("jq", "$ENV.TOKEN"): CAUTION,
        ("jq", "env | keys"): CAUTION,
        ("jq", 'import "x" as x; .'): CAUTION,
        ("jq", 'system("rm")'): SAFE,  # no function of jq
        ("yq", ".a.b = load(.c)"): CAUTION,
        ("yq", 'system("rm"; "x")'): DANGEROUS,
    }

    assert {(d, text): risk("jq", text, d) for d, text in table} == table
    assert files("jq", '.a = load("/etc/shadow")', "yq") == [("/etc/shadow", False)]
    assert [one.effects for one in facts("jq", "env") if isinstance(one, Fact)] == [
        frozenset({Effect.SECRETS})
    ]


FIND = {
    "find . -type f -name '*.log' -mtime +7 -print0": SAFE,
    "find -L /srv /opt -maxdepth 1 ! -name x -o \\( -size +1M -ls \\)": SAFE,
    "find . -newermt 2024-01-01 -printf '%p\\n'": SAFE,
    'find "$HOME/x" ~ "$DIR/y" -name "$NAME"': SAFE,
    "find . -type f -exec grep -l x {} \\; -exec ls -l {} +": SAFE,
    "find . -name '*.sh' -exec chmod +x {} \\;": CAUTION,
    "find . -fprint /tmp/x": CAUTION,
    "find $DIR -name x": CAUTION,
    "find $DIR/x -name y": CAUTION,
    "find / -delete": DANGEROUS,
    "find . -fprintf /etc/cron.d/x '%p'": DANGEROUS,
    "find . -exec rm {} +": DANGEROUS,
    "find . -execdir rm -r -- '{}' ';'": DANGEROUS,
    "find . -okdir unlink {} \\;": DANGEROUS,
    "find . -exec {} \\;": DANGEROUS,
    "find . -exec sh -c 'echo {}' \\;": DANGEROUS,
    "find . -exec env nice shred {} \\;": DANGEROUS,
    "find . -exec true \\; -exec rm {} \\;": DANGEROUS,
    "find . -frobnicate": DANGEROUS,
    "find . -exec ls {}": DANGEROUS,
    "find $(cat x) -name y": DANGEROUS,
    "a=-delete; find . $a": DANGEROUS,
    "find * -name x": DANGEROUS,
    "find ./* -name x": SAFE,
}


def test_a_search_is_judged_by_its_actions() -> None:
    """Tests only look; an action is judged by what it runs on a name that is not said (N-13)."""
    assert {one.text: one.risk for one in judge(list(FIND))} == FIND
