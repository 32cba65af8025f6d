"""One attempt: sign what is claimed, send it, and say what became of it (K-71)."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Mapping
from dataclasses import dataclass

from dd0c.base import redact
from dd0c.base.clock import Clock
from dd0c.base.errors import Error, InvalidInput
from dd0c.base.outbound import Answer, Outbound, Policy, Request
from dd0c.base.outbound import Outcome as Heard
from dd0c.kernel.guard.breakers import Breakers
from dd0c.kernel.hooks import mail, messages, retrying, schemes
from dd0c.kernel.hooks.deliveries import Claimed
from dd0c.kernel.hooks.endpoints import Kind
from dd0c.kernel.hooks.mail import Letter, Server
from dd0c.kernel.hooks.retrying import Outcome, Verdict

WITHIN_S = 15.0
ANSWER_BYTES_MAX = 4096
SAID_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Sender:
    """What sending takes. `server` None: no mail is sent from here."""

    outbound: Outbound
    breakers: Breakers
    clock: Clock
    server: Server | None
    sentences: Mapping[str, str]
    console_url: str

    async def send(self, claimed: Claimed) -> Outcome:
        """Send it once; nothing that happens there is an error here."""
        try:
            if claimed.kind == Kind.EMAIL:
                return await self._mail(claimed)
            return self._read(await self._post(claimed))
        except InvalidInput as error:
            return Outcome(Verdict.REFUSED, None, _excerpt(error.message))
        except Error as error:
            return Outcome(Verdict.FAILED, None, _excerpt(error.message), error.retry_after_s)

    async def _post(self, claimed: Claimed) -> Answer:
        if not claimed.keys:
            raise InvalidInput("the endpoint's secret is gone")
        headers = {"Content-Type": "application/json"}
        if claimed.kind == Kind.SLACK:
            url = claimed.keys[-1].reveal()
            body = messages.slack(self._words(claimed)).encode()
        else:
            url, body = claimed.target, claimed.payload.encode()
            at_s = int(self.clock.now().timestamp())
            signed = [schemes.sign(key, claimed.message, at_s, body) for key in claimed.keys]
            headers |= {
                "webhook-id": claimed.message,
                "webhook-timestamp": str(at_s),
                "webhook-signature": " ".join(reversed(signed)),
            }
        return await self.outbound.send(
            Request("POST", url, headers, body),
            within_s=WITHIN_S,
            policy=Policy.PUBLIC,
            breaker=self.breakers.named(breaker_of(claimed)),
            body_bytes_max=ANSWER_BYTES_MAX,
        )

    def _read(self, answer: Answer) -> Outcome:
        asked = answer.headers.get("retry-after", "")
        return Outcome(
            retrying.judge(answer.status),
            answer.status,
            _excerpt(answer.body.decode(errors="replace")),
            retrying.read_retry_after(asked, self.clock.now()),
        )

    async def _mail(self, claimed: Claimed) -> Outcome:
        if self.server is None:
            raise InvalidInput("no mail server is set: DD0C_SMTP_URL")
        said = self._words(claimed)
        letter = Letter(
            id=f"{claimed.message}.{claimed.endpoint.hex}",
            to=claimed.target,
            subject=f"[dd0c] {said.headline}",
            text="\n".join((*said.lines, "", f"Sent by dd0c to the endpoint {claimed.name}.", "")),
        )
        async with self.breakers.named(breaker_of(claimed)).attempt() as attempt:
            attempt.outcome = Heard.FAILURE
            try:
                async with asyncio.timeout(WITHIN_S):
                    await mail.send(self.server, letter)
            except smtplib.SMTPResponseException as error:
                attempt.outcome = Heard.SUCCESS  # it answered
                return _refused_mail(error.smtp_code, error.smtp_error)
            except smtplib.SMTPRecipientsRefused as error:
                attempt.outcome = Heard.SUCCESS
                code, why = next(iter(error.recipients.values()))
                return _refused_mail(code, why)
            except (OSError, smtplib.SMTPException, TimeoutError) as error:
                told = _excerpt(str(error) or type(error).__name__)
                return Outcome(Verdict.FAILED, None, f"the mail server: {told}")
            attempt.outcome = Heard.SUCCESS
        return Outcome(Verdict.DELIVERED, 250, "taken by the mail server")

    def _words(self, claimed: Claimed) -> messages.Words:
        return messages.words(claimed.payload, self.sentences, self.console_url)


def breaker_of(claimed: Claimed) -> str:
    """The breaker that it is sent through: all mail goes to one server."""
    return "smtp" if claimed.kind == Kind.EMAIL else f"webhook:{claimed.endpoint}"


def _refused_mail(code: int, why: bytes | str) -> Outcome:
    verdict = Verdict.REFUSED if code in mail.PERMANENT else Verdict.FAILED
    return Outcome(
        verdict, code, _excerpt(why.decode(errors="replace") if isinstance(why, bytes) else why)
    )


def _excerpt(text: str) -> str:
    """The beginning, in one line, without secrets."""
    plain = "".join(c if c.isprintable() else " " for c in text[: 2 * SAID_CHARACTERS_MAX])
    return redact.scrub(plain)[:SAID_CHARACTERS_MAX]
