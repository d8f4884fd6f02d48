"""Blobs in a bucket of S3 or of a store that speaks like it, through boto3."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from sayso.errors import BadInput, CannotWrite
from sayso.storage.blobs import NAME, _checked, digest
from sayso.storage.errors import NotFound


class Bucket:
    """`place`: s3://bucket/prefix. Credentials as boto3 finds them. A put is atomic there, so nothing is ever half-written."""

    def __init__(self, place: str, endpoint: str = ""):
        try:
            import boto3
        except ImportError as error:
            raise BadInput("pictures in S3 need boto3; install sayso[serve]") from error
        self.bucket, _, prefix = place.removeprefix("s3://").partition("/")
        if not self.bucket:
            raise BadInput(f'"{place}" names no bucket; write s3://bucket/prefix')
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._client: Any = boto3.client("s3", endpoint_url=endpoint or None)

    def _key(self, name: str) -> str:
        if not NAME.fullmatch(name):
            raise NotFound("file", name)
        return self.prefix + name

    def put(self, data: bytes) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        name = digest(data)
        try:
            self._client.put_object(Bucket=self.bucket, Key=self._key(name), Body=data)
        except (BotoCoreError, ClientError) as error:
            raise CannotWrite(f'the bucket "{self.bucket}" does not take files ({error}); check its name and rights') from error
        return name

    def get(self, name: str) -> bytes:
        from botocore.exceptions import ClientError

        try:
            return _checked(name, self._client.get_object(Bucket=self.bucket, Key=self._key(name))["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise NotFound("file", name) from None
            raise CannotWrite(f'the bucket "{self.bucket}" does not answer ({error}); check its name and rights') from error

    def has(self, name: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._client.head_object(Bucket=self.bucket, Key=self._key(name))
        except ClientError:
            return False
        return True

    def delete(self, name: str) -> None:
        self._client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def names(self, older: float) -> Iterator[str]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix):
            for row in page.get("Contents", ()):
                name = row["Key"].removeprefix(self.prefix)
                if NAME.fullmatch(name) and row["LastModified"].timestamp() <= time.time() - older:
                    yield name

    def free(self) -> int | None:
        return None
