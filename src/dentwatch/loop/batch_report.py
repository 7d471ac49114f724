"""The report about a batch, written back beside the inbox: for programs as JSON, for people as Markdown."""

import json
from collections.abc import Mapping
from typing import Any

from dentwatch.loop.inbox import report_name
from dentwatch.records.place import Place
from dentwatch.settings import Settings

_LISTED = 50


def write_report(settings: Settings, batch_id: str, result: Mapping[str, Any]) -> str:
    """Write what became of a batch; the path of the report within the inbox, without its ending.

    ``result`` is that of its step. Writing it again replaces it.
    """
    name = report_name(batch_id)
    place = Place(settings.inbox_url)
    document = {"batch": batch_id, **result}
    place.write(f"{name}.json", json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n")
    place.write(f"{name}.md", as_markdown(batch_id, result).encode())
    return name


def as_markdown(batch_id: str, result: Mapping[str, Any]) -> str:
    """The report for people."""
    lines = [f"# Batch {batch_id}", "", f"**{result['state']}**: {result['text']}", ""]
    if checks := result.get("checks"):
        lines += ["| check | passed | what was seen |", "|---|---|---|"]
        lines += [f"| {one['name']} | {'yes' if one['passed'] else '**no**'} | {one['text']} |" for one in checks]
        lines.append("")
    if version := result.get("version"):
        lines += [f"Dataset version: `{version}`", ""]
        lines += [f"- {name.replace('_', ' ')}: {count}" for name, count in result["diff"].items()] + [""]
    for title, name in (("Set aside", "set_aside"), ("Contradictions", "contradictions")):
        if entries := result.get(name):
            lines += [f"## {title}", ""]
            lines += [f"- {one['name']}: {one['reason']}. {one['detail']}" for one in entries[:_LISTED]]
            if len(entries) > _LISTED:
                lines.append(f"- … and {len(entries) - _LISTED} more, in the JSON file")
            lines.append("")
    return "\n".join(lines)
