"""Dagster resources: the stores, made from settings when a run needs them, never while definitions load.

Here: thin factories over ``stores/``. Not here: anything the stores can do themselves.
"""

from typing import Any

import dagster as dg
import dagster_aws.redshift
import dagster_aws.s3
from sqlalchemy import Engine

from image_assets.settings import Settings, load_settings
from image_assets.stores.aws import client_arguments, make_client, make_session
from image_assets.stores.database import make_engine
from image_assets.stores.frames import FrameStore
from image_assets.stores.redshift import Connect, connection_arguments, connector
from image_assets.stores.s3 import ObjectStore
from image_assets.stores.sqs import Queue


class SettingsResource(dg.ConfigurableResource[Settings]):
    """The project's settings, read from the environment at run time."""

    def load(self) -> Settings:
        """Read and validate the settings. Raises SettingsError."""
        return load_settings()


class S3Resource(dagster_aws.s3.S3Resource):
    """dagster-aws's S3 resource; what its configuration leaves open comes from the project's settings.

    So the endpoint may be a sandbox that was started after the definitions were loaded, and a client has the project's
    timeouts and connection pool.
    """

    def get_client(self) -> Any:
        """An S3 client. Raises SettingsError when no bucket can be reached with these settings."""
        arguments = client_arguments(load_settings(), "s3")
        own = {
            name: value
            for name in (
                "region_name",
                "endpoint_url",
                "aws_access_key_id",
                "aws_secret_access_key",
                "aws_session_token",
            )
            if (value := getattr(self, name)) is not None
        }
        return make_session(self.profile_name).client(
            "s3", use_ssl=self.use_ssl, verify=self.verify, **(arguments | own)
        )


class ObjectStoreResource(dg.ConfigurableResource[ObjectStore]):
    """Buckets by their setting."""

    s3: dg.ResourceDependency[dagster_aws.s3.S3Resource]

    def deals(self, settings: Settings) -> ObjectStore:
        """The deal images' bucket. Raises SettingsError."""
        return ObjectStore(self.s3.get_client(), settings.require_bucket())

    def media(self, settings: Settings) -> ObjectStore:
        """The product images' bucket. Raises SettingsError."""
        settings.require_aws()
        return ObjectStore(self.s3.get_client(), settings.require("media_s3_bucket"))

    def requests(self, settings: Settings) -> ObjectStore:
        """The bucket of request files: ``REQUESTS_S3_BUCKET``, else the deal images' own. Raises SettingsError."""
        bucket = settings.requests_s3_bucket or settings.require_bucket()
        return ObjectStore(self.s3.get_client(), bucket)


class SqsResource(dg.ConfigurableResource[Queue]):
    """Queues by their setting (dagster-aws has no SQS resource)."""

    def queue(self, settings: Settings, *, patience_s: float | None = None) -> Queue:
        """The queue of ``SQS_QUEUE_URL``; arguments as `Queue.from_settings`. Raises SettingsError."""
        return Queue.from_settings(settings, patience_s=patience_s)

    def deal_events(self, settings: Settings) -> Queue:
        """The queue of ``DEALS_EVENTS_QUEUE_URL``. Raises SettingsError."""
        return Queue(make_client(settings, "sqs"), settings.require("deals_events_queue_url"))


class DatabaseResource(dg.ConfigurableResource[Engine]):
    """The project's own database."""

    def engine(self, settings: Settings) -> Engine:
        """An engine on ``DATABASE_URL``. Raises SettingsError."""
        return make_engine(settings.require("database_url"))


class RedshiftResource(dagster_aws.redshift.RedshiftClientResource):
    """dagster-aws's Redshift resource; what its configuration leaves open comes from the project's settings."""

    host: str = ""
    port: int = 0
    sslmode: str = ""

    def get_client(self) -> dagster_aws.redshift.RedshiftClient:
        """A client of dagster-aws's. Raises SettingsError."""
        arguments = connection_arguments(load_settings())
        own = {name: value for name in arguments if (value := getattr(self, name))}
        return dagster_aws.redshift.RedshiftClient(arguments | own, self.autocommit, dg.get_dagster_logger())

    def connector(self) -> Connect:
        """Opens the connections that the client would use: its own methods bind no parameters. Raises SettingsError."""
        return connector(self.get_client().conn_args)


class FrameStoreResource(dg.ConfigurableResource[FrameStore]):
    """Where Parquet frames are kept."""

    def store(self, settings: Settings) -> FrameStore:
        """The frame store of ``FRAMES_URL``. Raises SettingsError."""
        return FrameStore.from_settings(settings)


def default_resources() -> dict[str, Any]:
    """Every resource under the name assets ask for it by."""
    s3 = S3Resource()
    return {
        "settings": SettingsResource(),
        "s3": s3,
        "objects": ObjectStoreResource(s3=s3),
        "sqs": SqsResource(),
        "database": DatabaseResource(),
        "frames": FrameStoreResource(),
        "redshift": RedshiftResource(),
    }
