"""From ``results.jsonl`` to one HTML page and one Markdown table: our numbers beside the published ones."""

from distill.report.write import write_report

__all__ = ["write_report"]
