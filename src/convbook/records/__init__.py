"""Measured training runs: one JSON file a run, written from a history and never by hand."""

from convbook.records.store import Record, RecordError, load_records, save_record

__all__ = ["Record", "RecordError", "load_records", "save_record"]
