"""Literal secrets are found by line; placeholders and look-alikes are not."""

# Keys are put together here, so that no scanner takes this file for a leak.

from __future__ import annotations

import pytest

from stratum_lab.scan.source.secrets import secret_lines

KEY = "sk-" + "proj-9fK2mQ7xLw4TzR8vB3nH6yJ1"
LIVE = "sk_" + "live_51HxQpL2eZvKYlo2C9Qw7"
TOKEN = "Bear" + "er eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9"


@pytest.mark.parametrize(
    "line",
    [
        f'client = OpenAI(api_key="{KEY}")',
        f"  openai_api_key: {KEY}",
        f"# old key {KEY}",
        f'"    key = \\"{KEY}\\"\\n",',
        f"stripe.api_key = '{LIVE}'",
        f'headers = {{"Authorization": "{TOKEN}"}}',
        'url = "postgresql+asyncpg://app:h7Kq9wL2@db.internal:5432/prod"',
        "mongo = 'mongodb+srv://admin:h7Kq9wL2@cluster0.mongodb.net'",
        "redis://:h7Kq9wL2@cache:6379/0",
    ],
)
def test_a_literal_secret_is_found_on_its_line(line: str) -> None:
    assert secret_lines(f"first\n{line}\nlast\n") == [2]


@pytest.mark.parametrize(
    "line",
    [
        'api_key="sk-your-openai-api-key-goes-here-1"',
        'api_key="sk-xxxxxxxxxxxxxxxxxxxxxxxx1"',
        'api_key="sk-' + "1" * 30 + '"',
        'api_key="sk-example-abc123abc123abc123"',
        'api_key="sk-abcdefghijklmnop123456"',
        'api_key="sk-short1"',
        "div.sk-toggleable__content-arrow-wide {",
        "task-9fK2mQ7xLw4TzR8vB3nH6yJ1",
        'headers = {"Authorization": f"Bearer {token}"}',
        "Bearer authentication is explained elsewhere",
        "postgresql://user:password@localhost/db",
        "postgresql://postgres:postgres@localhost/db",
        'f"postgresql://{user}:{password}@{host}/db"',
        "postgresql://app:$DB_PASSWORD@db/prod",
        "postgresql://app:<password>@db/prod",
        "postgresql://app:h7Kq9wL2@db.example.com/prod",
        "postgresql://app:h7Kq9wL2@old.example/registry",
        "postgresql://u:p@db/registry",
        "https://github.com/org/repo",
        "postgresql://localhost:5432/db",
    ],
)
def test_placeholders_and_look_alikes_are_left_out(line: str) -> None:
    assert secret_lines(line) == []


def test_two_secrets_of_one_line_are_one_place_and_lines_are_in_order() -> None:
    assert secret_lines(f"{LIVE} {KEY}\n\n{TOKEN}\n{KEY}") == [1, 3, 4]
