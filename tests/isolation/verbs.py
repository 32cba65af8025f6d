"""The table of verbs: the words each is said with. {…} is a name of `tenants.NOBODY`."""

from __future__ import annotations

from dataclasses import dataclass

from tests.isolation.asking import NAME, Answer, Asker
from tests.isolation.tenants import Names


@dataclass(frozen=True, slots=True)
class Said:
    """One command line."""

    words: tuple[str, ...]

    @property
    def names_something(self) -> bool:
        """Whether it can be asked about what is another's."""
        return bool(NAME.search(str(self.words)))

    def said(self, names: Names) -> str:
        """The words themselves: to be told those is no answer."""
        return " ".join(word.format_map(names) for word in self.words)

    def ask(self, asker: Asker, names: Names) -> Answer:
        """What it says and ends with."""
        return asker.run(self.words, names)


VERBS: dict[str, tuple[str, ...]] = {
    "status": ("",),
    "whoami": ("",),
    "usage": ("--by key", "--by tag --tag {tag}", "--by model --team {team_name}"),
    "requests list": (
        "",
        "--key {key}",
        "--model {model}",
        "--team {team}",
        "--tag {tag} --csv",
    ),
    "requests show": ("{request}",),
    "audit list": ("--limit 500", "--subject {key}", "--actor {actor} --csv"),
    "audit show": ("{event}",),
    "audit checkpoint": ("",),
    "audit verify": ("",),
    "audit export": ("--format csv", "--format csv --disclose --subject {key}"),
    "route providers": ("",),
    "route rerate": ("--since 2020-01-01 --dry-run --key {key}",),
    "route reconcile": ("--pending",),
    "key list": ("", "--csv"),
    "key show": ("{key}",),
    "key move": ("{key} {team_name}",),
    "key create": ("{key_name}", "walked --team {team}", "walked --org {org_name}"),
    "key change": ("{key} --all-models", "{key_name} --anywhere"),
    "key rotate": ("{key} --overlap 1h",),
    "key revoke": ("{key}",),
    "person list": ("", "--csv"),
    "person show": ("{person}", "{email}"),
    "person sessions": ("",),
    "person set": ("{person} --role operator", "{email} --team {team_name}"),
    "person sign-out": ("{person}",),
    "person remove": ("{other_person}",),
    "invite list": ("",),
    "invite create": ("{email}", "newer@hooli.example --team {team_name}"),
    "invite revoke": ("{invitation}",),
    "team list": ("",),
    "team create": ("{team_name}",),
    "team rename": ("{team_name} {tag}",),
    "team remove": ("{tag}",),
    "org show": ("",),
    "plan show": ("",),
    "org set": ("--time-zone Asia/Tokyo",),
    "panic status": ("--json",),
    "route erase-user": ("somebody",),
    "route budgets list": ("",),
    "route budgets set": (
        "--scope key --subject {key} --usd 1",
        "--scope team --subject {team_name} --usd 1",
    ),
    "route budgets remove": ("{budget}",),
    "route disconnect-policy show": ("",),
    "route disconnect-policy set": ("abort",),
    "route limits list": ("",),
    "route limits set": ("--scope key --subject {key} --concurrency 3",),
    "route limits remove": ("{limit}",),
    "route prices list": ("--own",),
    "route prices show": ("{provider}/{model}",),
    "route prices set": ("openai/{model} input=0.20",),
    "route prices remove": ("{override}",),
    "content policy": ("", "hook.body --days 9"),
    "hook source list": ("", "--csv"),
    "hook endpoint list": ("", "--csv"),
    "hook source add": ("{source_name}",),
    "hook source rotate": ("{source} --overlap 0m", "{source_name} --overlap 0m"),
    "hook source remove": ("{other_source}",),
    "hook endpoint add": ("{endpoint_name} https://1.1.1.1/",),
    "hook endpoint test": ("{endpoint}",),
    "hook endpoint pause": ("{endpoint_name}",),
    "hook endpoint resume": ("{endpoint}",),
    "hook endpoint rotate": ("{endpoint} --overlap 0m",),
    "hook endpoint remove": ("{other_endpoint}",),
    "hook delivery list": ("{endpoint_name}",),
    "hook delivery replay": ("{delivery}",),
    "content list": ("", "--kind hook.body"),
    "content get": ("{content}",),
    "content delete": ("{content}",),
    "route store-policy show": ("",),
    "route store-policy set": ("--store-away open",),
}
"""One line for each time that it is said."""

ALIKE: dict[str, str] = {
    "person roles": "what each role may do is no organisation's",
    "route models list": "what models can do is no organisation's",
    "route models show": "what models can do is no organisation's",
    "route tokens count": "counts a text on this machine",
    "route prices import": "a file of prices; its endpoint is in rows.py",
    "requests tail": "never ends; the list that it asks for is `requests list`",
    "org create": "for those who run the installation: test_questions.py",
    "org list": "for those who run the installation: test_questions.py",
    "org erase": "for those who run the installation: test_questions.py",
    "person erase": "for those who run the installation: test_questions.py",
    "job list": "for those who run the installation: test_questions.py",
    "job retry": "for those who run the installation: test_questions.py",
    "job cancel": "for those who run the installation: test_questions.py",
    "flag list": "for those who run the installation: test_questions.py",
    "flag set": "for those who run the installation: test_questions.py",
    "flag clear": "for those who run the installation: test_questions.py",
    "run classify": "judges on this machine",
    "run parse": "reads a file of this machine",
    "run check": "reads files of this machine",
    "run diff": "reads files of this machine",
    "flag bake": "the history of this program",
    "plan set": "for those who run the installation: test_questions.py",
    "parts forget": "for those who run the installation: test_questions.py",
    "parts list": "for those who run the installation: test_questions.py",
    "profile add": "a file of this machine",
    "profile list": "a file of this machine",
    "profile remove": "a file of this machine",
    "profile use": "a file of this machine",
    "panic on": "refuses what is asked after it; its endpoint: tests/kernel/web/test_autonomy.py",
    "panic off": "with the one before: tests/kernel/web/test_autonomy.py",
    "doctor": "this machine, and what `status` and `whoami` ask",
    "completion": "a script",
    "version": "this program",
    "up": "starts a part",
    "gateway": "starts a part",
    "control": "starts a part",
    "worker": "starts a part",
    "sim": "starts a part",
    "reload": "for who runs the machine",
    "migrate": "for who runs the machine",
    "backup": "for who runs the machine",
    "restore": "for who runs the machine",
    "vault status": "for who runs the machine",
    "vault rotate": "for who runs the machine",
    "vault rewrap": "for who runs the machine",
    "spool ship": "for who runs the machine",
}
"""Verbs that ask for nothing of an organisation, and why."""

LATE = ("delete", "revoke", "rotate", "remove", "rename", "set")


def said(verb: str) -> list[Said]:
    """The command lines of a verb."""
    return [Said((*verb.split(), *line.split())) for line in VERBS[verb]]


def in_order() -> list[str]:
    """The verbs, those that end something last, and what names a team before its end."""
    return sorted(VERBS, key=lambda verb: (verb.split()[-1] in LATE, "key" in verb, "team" in verb))
