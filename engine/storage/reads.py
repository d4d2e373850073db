"""Every read the API makes: committed rows as views, never the loops' memory."""

from engine.storage.alerts import AlertReads
from engine.storage.configuration_reads import ConfigurationReads
from engine.storage.delivery_reads import DeliveryReads
from engine.storage.event_reads import EventReads
from engine.storage.keys import KeyReads
from engine.storage.paging import BadCursor, Page, PageRequest
from engine.storage.statistics_reads import StatisticsReads
from engine.storage.task_reads import TaskReads
from engine.storage.worker_reads import WorkerReads

__all__ = ["BadCursor", "Page", "PageRequest", "Reads"]


class Reads(
    ConfigurationReads,
    WorkerReads,
    TaskReads,
    EventReads,
    DeliveryReads,
    AlertReads,
    StatisticsReads,
    KeyReads,
):
    """Reads of every resource. Lists are `Page`s; a fetch of what is not there returns None."""
