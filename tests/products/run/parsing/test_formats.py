"""Markdown as people write it, HTML of wikis, plain text: the same steps, each with its place."""

from __future__ import annotations

from dd0c.products.run import parsing
from dd0c.products.run.models import Format

CONFLUENCE = """<h1>Queue</h1>
<ac:structured-macro ac:name="info"><ac:rich-text-body><p>Owner: pay</p></ac:rich-text-body>
</ac:structured-macro>
<h2>Diagnose</h2>
<ol><li><p>Check how many wait:</p>
<ac:structured-macro ac:name="code"><ac:parameter ac:name="language">bash</ac:parameter>
<ac:plain-text-body><![CDATA[rabbitmqctl list_queues \\
  name messages > /tmp/q]]></ac:plain-text-body></ac:structured-macro>
<p>More than 10&nbsp;000 is bad.</p></li>
<li>Follow <ac:link><ri:page ri:content-title="Escalation"/></ac:link>.</li></ol>
<pre class="brush: bash">$ rm &lt;file&gt;</pre>
<table><tr><th>Step</th><th>Action</th></tr><tr><td>1</td><td>Purge the queue</td></tr></table>
<script>Delete everything.</script>
"""

TEXT = """RESTARTING THE GATEWAY

1) Log on to mx1
$ ssh mx1
2) Look at the queue.
     mailq | tail -1
   It should be below 100.

    a) send a test mail

DO NOT reboot the host.
"""


def test_a_wiki_page_is_read_like_markdown() -> None:
    """Confluence's macros, entities, lists and tables become steps; scripts do not (N-1)."""
    parsed = parsing.parse(CONFLUENCE)
    assert parsed.format is Format.HTML
    check, call, purge = parsed.steps
    assert [c.text for c in check.commands] == ["rabbitmqctl list_queues   name messages > /tmp/q"]
    assert (check.kind, check.expected) == ("check", "More than 10 000 is bad.")
    assert (check.section, check.lines) == (("Queue", "Diagnose"), (5, 9))
    assert call.references == ("Escalation",)
    assert (purge.title, purge.lines) == ("Purge the queue", (12, 12))


def test_plain_text_has_steps() -> None:
    """Numbers, letters, prompts and commands on lines of their own; CAPITALS are a heading."""
    parsed = parsing.parse(TEXT)
    assert parsed.format is Format.TEXT
    assert [(s.title, [c.text for c in s.commands]) for s in parsed.steps] == [
        ("Log on to mx1", ["ssh mx1"]),
        ("Look at the queue", ["mailq | tail -1"]),
        ("send a test mail", []),
    ]
    assert {step.section for step in parsed.steps} == {("RESTARTING THE GATEWAY",)}


def test_blocks_stand_where_authors_put_them() -> None:
    """A fence at the margin, too deep, of tildes, or none at all belongs to the item above it."""
    for block in (
        "```\nls -l\n```",
        "   ```\n   ls -l\n   ```",
        "       ```bash\n       ls -l\n       ```",
        "~~~ sh\nls -l\n~~~",
        "   $ ls -l",
    ):
        (step, after) = parsing.parse(f"# A\n\n1. See the files:\n\n{block}\n\n2. Go home.\n").steps
        assert [c.text for c in step.commands] == ["ls -l"], block
        assert step.expected is None, block
        assert after.title == "Go home"


def test_what_generators_add_is_no_text() -> None:
    """Front matter, shortcodes and admonitions are neither headings nor commands."""
    front = "---\ntitle: Restart it\n\nDelete it.\n\n---\n{{< toc >}}\n"
    page = f"{front}# A\n\n!!! note\n    rm -rf /\n\nCall me.\n"
    (step,) = parsing.parse(page).steps
    assert (step.title, step.section, step.lines) == ("Call me", ("A",), (13, 13))


def test_places_are_places_of_the_source() -> None:
    """The span of a command is its characters, whatever ends lines or stands in front of them."""
    for page in (
        "Run it:\r\n\r\n> ```\r\n> $ ls \\\r\n>   -l\r\n> ```\r\n",
        "Run it:\n\n- x\n\n      ls \\\n        -l\n",
        "<p>Run it:</p><pre>ls \\\n -l</pre>",
    ):
        (command,) = [c for step in parsing.parse(page).steps for c in step.commands]
        written = page[command.span.start : command.span.end]
        assert (written[:4], written[-2:]) == ("ls \\", "-l"), page
        assert page.count("\n", 0, command.span.start) + 1 == command.line


def test_bytes_that_are_no_text_are_said() -> None:
    """Invalid UTF-8 is replaced, and told (N-1)."""
    text, remarks = parsing.decode(b"\xef\xbb\xbfRun \xff it")
    assert text == "Run \ufffd it"
    assert [remark.text for remark in remarks] == ["1 places are not UTF-8 and were replaced"]


def test_flaws_of_a_command_are_remarked() -> None:
    """Typographic quotes are copied, and whoever wrote the page is told."""
    parsed = parsing.parse("# A\n\nRun it:\n\n```sh\necho \u201chello\u201d\n```\n")
    assert parsed.steps[0].commands[0].text == "echo \u201chello\u201d"
    assert [remark.line for remark in parsed.remarks] == [6]
