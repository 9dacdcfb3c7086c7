"""Evaluation behind a request handler: a bounded queue, and the sinks that its outcomes go to."""

from fi_async.background.offers import Offer, Statistics
from fi_async.background.queue import BackgroundQueue
from fi_async.background.sinks import JsonlSink, Sink
from fi_async.background.sql import SqlSink

__all__ = ["BackgroundQueue", "JsonlSink", "Offer", "Sink", "SqlSink", "Statistics"]
