"""The signs of languages: what fences are called, and what a line of each language looks like.

Data for `languages`. A pattern is searched in one line at a time and has no nested repetition.
"""

from __future__ import annotations

FENCES = {
    "shell": "sh bash shell zsh ksh dash fish shell-script shellscript bsh ash",
    "session": "console terminal shell-session shellsession sh-session bash-session term tty cli "
    "terminaloutput ps1con sh-console",
    "powershell": "powershell ps ps1 pwsh posh",
    "cmd": "cmd bat batch dos",
    "sql": "sql mysql psql postgres postgresql plsql tsql pgsql sqlite mariadb cql",
    "promql": "promql prometheus metricsql",
    "logql": "logql",
    "esql": "esql es|ql",
    "kusto": "kql kusto",
    "splunk": "spl splunk",
    "http": "http rest",
    "redis": "redis",
    "yaml": "yaml yml",
    "json": "json json5 jsonc ndjson jsonl",
    "diff": "diff patch",
    "xml": "xml html svg",
    "config": "ini toml conf cfg properties nginx hcl terraform tf env dotenv systemd apache",
    "log": "log logs output syslog out",
    "dockerfile": "dockerfile docker",
    "python": "python py python3 pycon",
    "code": "go golang java javascript js typescript ts ruby rb rust rs c cpp c++ csharp cs php"
    " perl lua kotlin scala groovy jinja jinja2 css scss graphql proto protobuf markdown md mermaid"
    " rego cue jsonnet starlark elixir haskell r swift",
}
"""Words behind a fence, by what they claim."""
_PROMQL = (
    r"\b(?:sum|avg|min|max|count|topk|bottomk|quantile|stddev|group)\s+(?:by|without)\b",
    r"\b(?:rate|irate|increase|delta|idelta|deriv|changes|resets|absent|histogram_quantile|topk|"
    r"predict_linear|label_replace|label_join|[a-z]+_over_time|clamp_m(?:ax|in)|vector|"
    r"scalar)\s?\(",
    r"\{\s*[a-zA-Z_]\w*\s*(?:=~|!~|!=|=)\s*\"",
    r"\[\d+[smhdwy](?::\d*[smhdwy]?)?\]",
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s?\(",
    r"(?<![\w/.=-])[a-z][a-z0-9]*(?:[_:][a-zA-Z0-9]+)*"
    r"[_:](?:total|bytes|seconds|count|sum|bucket|info|ratio|percent|celsius|healthy|created)\b",
    r"^\s*[a-z][a-z0-9]*(?:_[a-z0-9]+)+\s*(?:\{.*\}\s*)?(?:[<>!=]=|[<>])\s*[\d(a-z]",
    r"^\s*(?:sum|avg|min|max|count|group|\)|and|or|unless|\d+ [-+*/])\s*\(?\s*$",
    r"^\s*[-+*/]?\s*\)?\s*(?:and|or|unless)\s+(?:on|ignoring)\b",
    r"^\s*[()]+\s*(?:[-+*/<>=]+\s*[\d.]+)?\s*$",
)
OF_LANGUAGES = {  # of two that as many lines bear, the first is it
    "logql": (r"\}\s*(?:\|=|\|~|!=|!~|\|\s*(?:json|logfmt|line_format|label_format|unwrap)\b)",),
    "esql": (
        r"^\s*FROM\s+[\w.*,:-]+\s*(?:\||$)",
        r"^\s*\|\s*(?:WHERE|STATS|EVAL|KEEP|SORT|LIMIT|DISSECT|GROK|ENRICH|DROP|RENAME)\b",
    ),
    "kusto": (
        r"^[A-Z]\w+\s*(?:\||$)",
        r"^\s*\|\s*(?:where|summarize|project|extend|take|order by|join|top)\b",
    ),
    "insights": (
        r"^\s*\|?\s*(?:fields|filter|stats|display|parse)\s+(?:@|\w+\(|\w+ (?:=|like|in|by)\b)",
        r"^\s*\|\s*(?:sort|limit)\b",
    ),
    "splunk": (
        r"^\s*(?:search\s+)?index\s?=\s?\S",
        r"^\s*\|\s*(?:stats|timechart|table|rex|eval)\b",
    ),
    "promql": _PROMQL,
    "lucene": (r"\b[\w.]+:\s?(?:\"[^\"]*\"|[^\s:]+)\s+(?:AND|OR|NOT)\b",),
    "sql": (
        r"^\s*(?:SELECT|INSERT INTO|DELETE FROM|VACUUM|WITH|EXPLAIN|GRANT|REVOKE|TRUNCATE|REINDEX|"
        r"ANALYZE|FROM|WHERE|AND|OR|ORDER BY|GROUP BY|HAVING|LIMIT|LEFT JOIN|INNER JOIN|JOIN|ON|AS|"
        r"VALUES|UNION|RETURNING|BEGIN|COMMIT|ROLLBACK|CALL|FLUSH|KILL|USE|LOCK|UNLOCK|DESC|"
        r"DESCRIBE)\b(?!\s*[:=])",
        r"^\s*(?:UPDATE\s+[\w.\"]+\s+SET|SHOW\s+\w+|SET\s+\w|(?:CREATE|ALTER|DROP|RENAME)\s+\w+)\b",
        r"^\s*(?i:select\s.+\sfrom\s|select\s+\S.*;\s*$|(?:update|delete from|"
        r"insert into)\s.*;\s*$)",
        r"^\s*(?i:(?:from|where|and|or|order by|group by|join|left join|limit)\s.+;?\s*$)",
        r"^\s*\\(?:[dlq][tnpuivsf+]*|x|c|watch|timing|conninfo)(?:\s|$)",
        r"^\s*[\w.\",()]+,\s*$",
        r"^\s*\)?;\s*$",
        r"^\s*--(?:\s|$)",
    ),
    "mongo": (r"^\s*(?:db|rs|sh)\.\w+[.(]", r"^use \w+$"),
    "http": (r"^(?:GET|POST|PUT|DELETE|PATCH|HEAD) /?\S+(?: HTTP/\S+)?\s*$", r"^HTTP/\d"),
    "powershell": (
        r"^\s*(?:\$\w+\s*=\s*)?(?:Get|Set|New|Remove|Start|Stop|Restart|Enter|Exit|Import|"
        r"Export|Invoke|"
        r"Test|Add|Clear|Enable|Disable|Connect|Disconnect|Select|Where|ForEach|Write|Copy|"
        r"Move|Install"
        r"|Uninstall|Update|Register|Resume|Suspend|Wait|Measure|Out|Format|Sort|Group)-[A-Z]\w+",
        r"^\s*\$\w+\s*=\s*\S",
    ),
    "log": (
        r"^\W?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d",
        r"^[IWEF]\d{4} +\d\d:\d\d",
        r"^\W?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|"
        r"Dec)\w*,? +\w+"
        r"[ ,:]+\d",
        r"^\W{0,2}(?i:error|warn|warning|info|debug|fatal|panic|trace|notice|critical|emerg|alert|"
        r"level|err)\b\W{0,2}(?:[:=\]|]|\s{1,3}\S)",
        r"^\W?\d\d:\d\d:\d\d\b",
        r"^(?:time|level|ts|msg|severity|logger|caller|component)=",
        r"\b(?:msg|level|err|error)=\"",
        r"^\S*\.(?:go|py|java|cc?|cpp|rb|js|ts|rs):\d+[\]:]",
        r"^(?:Traceback|goroutine \d|\s+at \S+\(|Caused by:|panic:|Exception\b|\S+(?:Error|"
        r"Exception):)",
        r"^\[ *\d+\.\d+\]",
        r"^\w+\[\d+\]:",
        r"^\d{1,3}(?:\.\d{1,3}){3} - ",
        r"^\.\.\.$|^\[\.\.\.\]$|^<snip>",
    ),
    "yaml": (
        r"^\s*(?:- )*[\w./$<>{}\"'*-]+\s?:(?:\s+\S.*|\s*)$",
        r"^---\s*$",
        r"^\s*- [^-]",
        r"^\s*\.\.\.\s*$",
    ),
    "json": (
        r"^\s*[{}\[\]]+,?\s*[\]}]*,?\s*$",
        r"^\s*\"[^\"]*\"\s*(?::|,?\s*$)",
        r"^\s*[{\[]\s*[\"{\[]",
        r"^\s*\.\.\.,?\s*$",
    ),
    "xml": (r"^\s*</?[A-Za-z!?][^<>]*>", r"^\s*<!--"),
    "text": (
        r"^(?:Error|Warning|Note|Usage|Available|Unable|Failed|Could not|Cannot|"
        r"No resources found)\b",
        r"^\S.*: (?:No such file|Permission denied|command not found|cannot |not found|"
        r"connection )",
        r"\b(?:created|configured|deleted|patched|scaled|restarted|unchanged|labeled|"
        r"annotated|edited|"
        r"drained|evicted|cordoned|uncordoned|rolled back|successfully rolled out|extended|"
        r"image updated)"
        r"(?: \([\w ]+\))?$",
        r"^[A-Z][\w ()/.-]*:(?:\s|$)",
        r"^[a-z][\w-]*(?: [\w-]+){0,3}:(?:\s|$)",
        r"^\s*[-a-zA-Z]*[=*_~^]{4,}",
        r"^(?:total \d+$|[-dlbcps](?:[r-][w-][xsStT-]){3})",
        r"^\S+/\S+ (?:created|configured|deleted|patched|scaled|unchanged)",
        r"^\s*[\d.]+[KMGTP]?i?B?%?(?:\s|$)",
        r"^[✓✔✗✘→•●○⚠└├│]",
        r"^\+ \S",
        r"^[A-Za-z][\w ]+ version v?\d\S*$",
        r"^(?:and|the|this|these|they|then|when|if you|you|in the|it|there|please|for each) ",
    ),
    "diff": (
        r"^(?:---|\+\+\+) \S",
        r"^@@ ",
        r"^diff --git ",
        r"^[-+](?![-+])",
        r"^index [0-9a-f]+\.",
    ),
    "dockerfile": (
        r"^(?:FROM \S+|RUN \S+|COPY \S+ \S+|ENTRYPOINT|WORKDIR|ENV \w+|EXPOSE \d+|CMD|ADD \S+ \S)",
    ),
    "python": (
        r"^\s*(?:import \w+|from \w[\w.]* import|def \w+\(|class \w+|print\(|return\b|elif |"
        r"with \w)",
        r"^\s*(?:for|if|while) .*:$",
        r"^\s*\w[\w.]*\s=\s\w[\w.]*\(",
    ),
    "code": (
        r"^\s*(?:func|const|let|var|package|public|private|import|return|class|resource|variable|"
        r"module|provider|terraform|locals|data|output)\b.*[{;(\"]\s*$",
        r"^\s*\}[;,)]*\s*$",
        r";\s*$",
    ),
    "config": (
        r"^\s*[\w.\"/-]+\s=\s*\S.*$",
        r"^\s*(?:[a-z]|[A-Z][a-z])[\w.-]*=\S*$",
        r"^\[[\w .:\"/-]+\]\s*$",
        r"^\s*[a-z_]+ [^;|&]*[;{]\s*$",
        r"^\s*\}\s*$",
        r"^\s*[#;]",
    ),
    "table": (
        r"^\s*[|+][-=+|:]{3,}",
        r"^\s*\|.*\|\s*$",
        r"^\s*[A-Z][A-Z0-9_%()/#.+-]*(?:\s{2,}[A-Z][A-Z0-9_%()/#.+ -]*)+$",
        r"^\s*\S+(?: \S+)?(?: {2,}|\t+)\S+(?: \S+)?(?: {2,}|\t+)\S",
        r"^\s*-{3,}(?:\s+-{3,})+\s*$",
        r"^-{2,}\+-{2,}",
        r"^\(\d+ rows?\)|^\d+ rows? in set",
    ),
}
"""Patterns of which a line of the language bears at least one."""
