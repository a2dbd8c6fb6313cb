"""Semantic Kernel (A7b) on a fixture repository."""

from __future__ import annotations

from stratum_lab.scan.detect import frameworks, semantic_kernel
from stratum_lab.scan.model import Model
from tests.support.detected import agents, crews, detected, guardrails, links


def _office() -> Model:
    return detected("semantic_kernel_office", semantic_kernel, frameworks)[1]


def test_agents_hold_kernel_functions_of_their_plugins_and_of_their_kernel() -> None:
    new, old = "office/agents.py", "legacy/chat.py"
    assert agents(_office()) == {
        "Drafter": (old, []),
        "Reviewer": (old, []),
        "Helper": (old, []),
        "Host": (new, ["MenuPlugin.get_specials", "MenuPlugin.get_price"]),
        "Waiter": (new, ["OrderPlugin.order"]),
        "Cook": (new, []),
        "Refund": (new, []),
        "Status": (new, []),
        "Support": (new, ["refund"]),
    }


def test_kernel_functions_go_by_the_name_they_are_given() -> None:
    (host,) = [agent for agent in _office().agents if agent.name == "Host"]
    assert [tool.name for tool in host.tools] == ["get_specials", "price"]


def test_an_assistant_is_hosted_and_a_definition_names_its_agent() -> None:
    model = _office()
    assert [agent.name for agent in model.agents if agent.hosted] == ["Helper"]
    assert all(agent.identified for agent in model.agents)


def test_orchestrations_and_chats_are_crews() -> None:
    model = _office()
    assert crews(model) == {
        "chat": ("selector", ["Drafter", "Reviewer", "Helper"]),
        "turns": ("round_robin", ["Drafter", "Reviewer"]),
        "sequence": ("sequential", ["Host", "Waiter", "Cook"]),
        "panel": ("parallel", ["Host", "Waiter", "Cook"]),
        "chat (2)": ("selector", ["Host", "Waiter", "Cook"]),
        "desk": ("handoff", ["Support", "Refund", "Status"]),
    }
    assert [crew.name for crew in model.crews if crew.run] == ["sequence"]
    assert [crew.name for crew in model.crews if crew.ordered] == ["turns", "sequence"]
    assert [chat.name for chat in model.chats] == ["chat", "chat"]


def test_order_feeds_managers_delegate_from_the_chat_and_handoffs_by_name_attribute_and_object() -> None:
    assert links(_office()) == {
        ("Drafter", "feeds_into", "Reviewer", "turns"),
        ("Host", "feeds_into", "Waiter", "sequence"),
        ("Waiter", "feeds_into", "Cook", "sequence"),
        ("chat", "delegates_to", "Drafter", "chat"),
        ("chat", "delegates_to", "Reviewer", "chat"),
        ("chat", "delegates_to", "Helper", "chat"),
        ("chat", "delegates_to", "Host", "chat (2)"),
        ("chat", "delegates_to", "Waiter", "chat (2)"),
        ("chat", "delegates_to", "Cook", "chat (2)"),
        ("Support", "delegates_to", "Refund", "desk"),
        ("Support", "delegates_to", "Status", "desk"),
        ("Refund", "delegates_to", "Support", "desk"),
    }


def test_round_limits_and_people_in_the_loop_cover_the_crew() -> None:
    assert guardrails(_office()) == [
        ("legacy/chat.py", 17, "rate_limit", ["crew chat"]),
        ("office/agents.py", 32, "rate_limit", ["crew chat (2)"]),
        ("office/agents.py", 42, "hitl", ["crew desk"]),
    ]


def test_a_pipfile_gives_the_version() -> None:
    model = _office()
    assert (model.frameworks, model.framework_versions) == ({"Semantic Kernel": 3}, {"Semantic Kernel": "1.30.0"})
