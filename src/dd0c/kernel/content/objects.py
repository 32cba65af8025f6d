"""Blobs as objects of S3, or of what speaks like it: for many machines, and for much.

botocore alone, without boto3, and imported at the first call, as for AWS KMS (vault/aws.py): only
who keeps content there pays for it. It blocks, so calls run in threads, a few at a time.
Credentials, region and another endpoint (`AWS_ENDPOINT_URL_S3`) come from where AWS programs look
for them.

A blob is one object. Chunks are gathered until they fill a part of an upload, which S3 wants to be
5 MB or more; the object is there when the upload is completed. An upload that somebody died at is
listed with the objects, and aborted as they are deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dd0c.base.errors import SetupError, Unavailable
from dd0c.kernel.content.chunks import SEALED_BYTES
from dd0c.kernel.content.places import Write

PREFIX = "s3://"
PART_BYTES_MIN = 5 * SEALED_BYTES  # 10,000 of them at most: 50 GB
DEADLINE_S = 60.0
ATTEMPTS = 3
AT_ONCE = 4
ABSENT = frozenset({"NoSuchKey", "NoSuchUpload", "InvalidRange", "404", "416"})

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9._-]+)*)/?")


class Bucket:
    """Objects of a bucket, below a prefix."""

    def __init__(self, address: str, ca_bundle: str):
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise SetupError(
                f"DD0C_CONTENT: {address!r} is no bucket", hint="s3://BUCKET or s3://BUCKET/PREFIX"
            )
        self.name = address.rstrip("/")
        self._bucket = found[1]
        self._prefix = f"{found[2][1:]}/" if found[2] else ""
        self._ca_bundle = ca_bundle or None
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._making = threading.Lock()
        self._client: Any = None

    @asynccontextmanager
    async def writing(self, org: uuid.UUID, blob: uuid.UUID) -> AsyncIterator[Write]:
        upload, held = "", bytearray()
        parts: list[dict[str, Any]] = []
        key = self._key(blob)

        async def write(sealed: bytes) -> None:
            nonlocal upload
            held.extend(sealed)
            if len(held) < PART_BYTES_MIN:
                return
            if not upload:
                upload = (await self._call("create_multipart_upload", Key=key))["UploadId"]
            await send()

        async def send() -> None:
            number = len(parts) + 1
            given = {"Key": key, "UploadId": upload, "PartNumber": number, "Body": bytes(held)}
            answer = await self._call("upload_part", **given)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            held.clear()

        try:
            yield write
            if not upload:
                await self._call("put_object", Key=key, Body=bytes(held))
                return
            if held:
                await send()
            await self._call(
                "complete_multipart_upload",
                Key=key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
            )
        except BaseException:
            if upload:
                with contextlib.suppress(Unavailable):  # the sweep comes by
                    await self._call("abort_multipart_upload", Key=key, UploadId=upload)
            raise

    async def read(self, org: uuid.UUID, blob: uuid.UUID, number: int) -> bytes | None:
        first = number * SEALED_BYTES
        span = f"bytes={first}-{first + SEALED_BYTES - 1}"
        answer = await self._call("get_object", Key=self._key(blob), Range=span)
        return None if answer is None else answer["Body"]

    async def delete(self, org: uuid.UUID, blob: uuid.UUID) -> None:
        await self._call("delete_object", Key=self._key(blob))

    async def delete_orphan(self, blob: uuid.UUID) -> None:
        key = self._key(blob)
        await self._call("delete_object", Key=key)
        begun = await self._call("list_multipart_uploads", Prefix=key)
        for upload in begun.get("Uploads", ()):
            await self._call("abort_multipart_upload", Key=key, UploadId=upload["UploadId"])

    async def list_blobs(self) -> AsyncIterator[uuid.UUID]:
        for operation, field, given, told in (
            ("list_objects_v2", "Contents", "ContinuationToken", "NextContinuationToken"),
            ("list_multipart_uploads", "Uploads", "KeyMarker", "NextKeyMarker"),
        ):
            onward: dict[str, str] = {}
            while True:
                page = await self._call(operation, Prefix=self._prefix, **onward)
                for entry in page.get(field, ()):
                    try:
                        yield uuid.UUID(entry["Key"].removeprefix(self._prefix))
                    except ValueError:
                        continue  # not ours: somebody put it there
                if not page.get("IsTruncated"):
                    break
                onward = {given: page[told]}

    def _key(self, blob: uuid.UUID) -> str:
        return f"{self._prefix}{blob}"

    async def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            async with asyncio.timeout(DEADLINE_S), self._slots:
                return await asyncio.to_thread(self._send, operation, arguments)
        except TimeoutError:
            raise Unavailable(f"{self.name} does not answer in time") from None

    def _send(self, operation: str, arguments: dict[str, Any]) -> Any:
        """The answer, its body read; None for what is not there."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = getattr(self._open(), operation)(Bucket=self._bucket, **arguments)
            return answer | {"Body": answer["Body"].read()} if "Body" in answer else answer
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            if code in ABSENT:
                return None
            raise Unavailable(
                f"{self.name} refuses {operation}: {code}",
                hint="may this process read, write, list and delete objects there?",
            ) from None
        except (BotoCoreError, OSError) as error:
            raise Unavailable(
                f"{self.name} cannot be asked: {type(error).__name__}",
                hint="network, region and credentials of AWS, as its programs find them",
            ) from None

    def _open(self) -> Any:
        from botocore.config import Config
        from botocore.session import get_session

        with self._making:
            if self._client is None:
                bounds = Config(
                    connect_timeout=10,
                    read_timeout=DEADLINE_S / ATTEMPTS,
                    retries={"total_max_attempts": ATTEMPTS},
                    request_checksum_calculation="when_required",  # others than AWS know no more
                    response_checksum_validation="when_required",
                )
                self._client = get_session().create_client(
                    "s3", verify=self._ca_bundle, config=bounds
                )
            return self._client
