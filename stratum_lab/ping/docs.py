"""Text of docs/ping.md, made from the field catalogue and the checks (`make docs`)."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_lab.contract.ping_fields import SCHEMA_ID, SCHEMA_IDS, SCHEMA_VERSIONS, PingField, catalogue, live
from stratum_lab.ping.pairs import BATCH_CHECKS, PAIR_CHECKS
from stratum_lab.ping.validate import CHECKS, SHAPE_CHECKS

_HEAD = f"""# The ping

One scan attempt of one repository makes exactly one ping: a flat JSON object of counts, ratios and closed words, at
schema {SCHEMA_ID}. It holds no name, address, path or code of the repository; `repo_hash` says which content it was
(a pseudonym, not anonymity: who has the same public tree can hash it too). On `scan.pings` it travels as the Avro
message Ping, in which the fields of rescans are one nullable record. `stratum ping show` prints one,
`stratum ping validate` checks them, `schemas/ping_fields.csv` is the catalogue all of this is made from.

| scan_status | when (the first that fits) | what it carries |
|---|---|---|
| `failed` | the scan did not end, or no candidate file parsed | identity, files, `repo_metadata`, rescans; else null |
| `empty` | it ended and found no agent | everything; no graph, no finding, score 0 |
| `partial` | agents, and a file that does not parse | everything |
| `success` | agents, and every file parses | everything |

Null: `no` never; `failed` if and only if the scan failed; `yes` as the definition says. A share of nothing is 0.
Quotients are rounded half up, exactly. Maps of counts omit zero; sets are sorted by bytes; distributions descend.

## Other schemas

A reader takes schemas 1 to 5. What a ping's own schema did not know is *not recorded*: a value of its own, neither null
nor 0. Fields that follow exactly from others are filled: `finding_count`, `finding_rule_count`, `has_any_guardrails`,
`is_rescan`, four of `normalized_features`, and `edge_density`, `avg_degree`, `external_sink_count` where the counts of
the graph are there. `version` is taken from `scanner_version` at schema 5. On the topic a ping of another schema is a
message PingDocument with its text untouched (`stratum ping import`); the warehouse stores both alike and converts in
view `pings_read`. A schema above 5 is read as far as it is known and does not pass validation.
"""

_CHECKS_HEAD = """## Checks

Run on every ping before it is emitted and by `stratum ping validate`. A check whose fields are missing or malformed is
left out, because `fields` names those. `make test` prints which S, V and M checks its tests hold.

| check | statement | schemas | failed pings too |
|---|---|---|---|"""


def ping_page() -> str:
    """The page, without the line that says it is generated."""
    return "\n".join([_HEAD, *_schemas(), *_fields(), *_checks(), *_other_checks()]).rstrip() + "\n"


def _schemas() -> Iterator[str]:
    yield "| schema | `schema_version` | fields on a first scan | further on rescans |"
    yield "|---|---|---|---|"
    for schema in SCHEMA_IDS:
        always = sum(not f.conditional and not (schema < 3 and f.group == "rescan") for f in live(schema))
        yield f"| {schema} | `{SCHEMA_VERSIONS[schema]}` | {always} | {len(live(schema)) - always} |"
    yield ""


def _fields() -> Iterator[str]:
    groups: dict[str, list[PingField]] = {}
    for field in catalogue():
        groups.setdefault(field.group, []).append(field)
    yield "## Fields\n"
    for group, fields in sorted(groups.items()):
        yield f"### {group}\n"
        yield "| field | type | null | schemas | definition |"
        yield "|---|---|---|---|---|"
        for field in fields:
            kind = field.type.replace("|", "\\|")
            text = field.definition.replace("|", "\\|").replace("finding_rules.md", "the rules")
            yield f"| `{field.name}` | {kind} | {field.nullable} | {_live_in(field)} | {text} |"
        yield ""


def _live_in(field: PingField) -> str:
    last = SCHEMA_IDS[-1] if field.removed is None else field.removed - 1
    return str(field.since) if last == field.since else f"{field.since} to {last}"


def _checks() -> Iterator[str]:
    yield _CHECKS_HEAD
    for name, statement in SHAPE_CHECKS.items():
        yield f"| `{name}` | {statement} | 1 to 5 | yes |"
    for check in CHECKS:
        since, until = max(check.since, 1), min(check.until, SCHEMA_IDS[-1])
        schemas = str(since) if since == until else f"{since} to {until}"
        yield f"| `{check.id}` | {check.statement} | {schemas} | {'yes' if check.failed else 'no'} |"
    yield ""


def _other_checks() -> Iterator[str]:
    for title, checks in (
        ("Between a ping and the ping of its rescan", PAIR_CHECKS),
        ("Between pings and the records of their batch (`stratum ping validate --topic`)", BATCH_CHECKS),
    ):
        yield f"{title}:\n"
        yield from (f"- `{name}` {statement}" for name, statement in checks.items())
        yield ""
