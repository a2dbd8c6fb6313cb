"""Rules on memory, telemetry, evaluation, identity, portability and environment over hand-made models."""

from __future__ import annotations

import pytest

from stratum_lab.scan.model import (
    Agent,
    EnvFile,
    EnvReference,
    Evaluation,
    Guardrail,
    KeyUse,
    Learning,
    MemoryStore,
    ModelUse,
    Site,
    StoreAccess,
    Telemetry,
)
from tests.support.rules import fired
from tests.support.static_models import ModelMaker


def store(make: ModelMaker, **more: object) -> MemoryStore:
    made = MemoryStore(make.site(), "vector_memory", "chromadb", collection="notes")
    for name, value in more.items():
        setattr(made, name, value)
    make.model.stores.append(made)
    return made


def access(
    make: ModelMaker, scope: str, *arguments: str, agent: Agent | None = None, file: str = "app.py"
) -> StoreAccess:
    return StoreAccess(make.site(file), "add", scope, agent, arguments)


def looped(make: ModelMaker, *arguments: str) -> MemoryStore:
    agent = make.agent("keeper")
    make.crew("keepers", agent)
    return store(
        make,
        writes=[access(make, "keeper", *arguments, agent=agent)],
        reads=[access(make, "keeper", agent=agent)],
    )


def test_a_loop_by_one_agent_is_confirmed_and_belongs_to_its_crew() -> None:
    make = ModelMaker()
    looped(make)
    found = fired(make.model)
    assert {"LEARNING-001", "LEARNING-002", "CONTEXT-001", "CONTEXT-002"} <= set(found)
    assert (found["LEARNING-001"].severity, found["LEARNING-001"].confidence.label) == ("MEDIUM", "confirmed")
    assert found["LEARNING-001"].instances[0].crew is make.model.crews[0]
    assert found["CONTEXT-002"].instances[0].crew is None


@pytest.mark.parametrize(
    ("kind", "severity"), [(None, "MEDIUM"), ("distillation", "HIGH"), ("fine_tuning", "CRITICAL")]
)
def test_the_kind_of_learning_sets_the_severity(kind: str | None, severity: str) -> None:
    make = ModelMaker()
    looped(make)
    if kind is not None:
        make.model.learning.append(Learning(kind, make.site()))  # type: ignore[arg-type]
    found = fired(make.model)
    assert found["LEARNING-001"].severity == severity
    assert ("LEARNING-004" in found) is (kind == "fine_tuning")


def test_a_loop_through_one_file_is_probable_and_through_two_is_none() -> None:
    make = ModelMaker()
    make.agent("any")
    memory = store(make, writes=[access(make, "save")], reads=[access(make, "load")])
    assert fired(make.model)["LEARNING-001"].confidence.label == "probable"
    memory.reads = [access(make, "load", file="other.py")]
    assert "LEARNING-001" not in fired(make.model)


def test_a_bounded_attributed_memory_with_snapshots_is_clean() -> None:
    make = ModelMaker()
    looped(make, "metadatas")
    make.model.stores[0].arguments = ("ttl",)
    make.model.stores[0].rollback = True
    assert not {"LEARNING-001", "LEARNING-002", "CONTEXT-001", "CONTEXT-002"} & set(fired(make.model))


def test_two_agents_in_one_collection_share_it_even_through_two_objects() -> None:
    make = ModelMaker()
    first, second = make.agent("first"), make.agent("second")
    one = store(make, writes=[access(make, "first", agent=first)])
    store(make, reads=[access(make, "second", agent=second)])
    assert {"LEARNING-003", "CONTEXT-003"} <= set(fired(make.model))
    one.writes = [access(make, "first", "namespace", agent=first)]
    assert not {"LEARNING-003", "CONTEXT-003"} & set(fired(make.model))


def test_two_functions_share_a_collection_but_are_no_two_agents() -> None:
    make = ModelMaker()
    make.agent("any")
    store(make, writes=[access(make, "save")], reads=[access(make, "load")])
    found = fired(make.model)
    assert "LEARNING-003" in found
    assert "CONTEXT-003" not in found


def test_methods_of_one_class_are_one_user_of_a_memory() -> None:
    make = ModelMaker()
    make.agent("any")
    memory = store(make, writes=[access(make, "db.Store.save")], reads=[access(make, "db.Store.load")])
    assert "LEARNING-003" not in fired(make.model)
    memory.reads.append(access(make, "db.Other.load"))
    assert fired(make.model)["LEARNING-003"].instances[0].subjects == ("Store", "Other")


def test_hosted_traces_are_one_instance_per_provider() -> None:
    make = ModelMaker()
    make.agent("any")
    make.model.telemetry += [
        Telemetry("langsmith", make.site(), True, "import"),
        Telemetry("langsmith", make.site(), True, "env"),
        Telemetry("opentelemetry", make.site(), False, "import"),
    ]
    found = fired(make.model)
    assert [i.subjects for i in found["TELEMETRY-001"].instances] == [("langsmith",)]
    assert "TELEMETRY-003" not in found


@pytest.mark.parametrize(
    ("tracer", "slug", "fires"),
    [
        ("langsmith", "openai", True),
        ("langsmith", "ollama", False),
        ("openai", "openai", True),
        ("langfuse", "openai", False),
    ],
)
def test_model_and_traces_in_the_same_hands(tracer: str, slug: str, fires: bool) -> None:
    make = ModelMaker()
    make.agent("any")
    make.model.telemetry.append(Telemetry(tracer, make.site(), True, "import"))
    make.model.model_uses.append(ModelUse(slug, "", make.site()))
    assert ("TELEMETRY-002" in fired(make.model)) is fires


@pytest.mark.parametrize(
    ("tool", "slug", "fires"),
    [
        ("openai.evals", "openai", True),
        ("openai_evals", "openai", True),
        ("openai.evals", "groq", False),
        ("ragas", "openai", False),
    ],
)
def test_the_makers_own_evaluation_conflicts(tool: str, slug: str, fires: bool) -> None:
    make = ModelMaker()
    make.agent("any")
    make.model.evaluation.append(Evaluation(tool, make.site()))
    make.model.model_uses.append(ModelUse(slug, "", make.site()))
    found = fired(make.model)
    assert ("EVAL-001" in found) is fires
    assert "EVAL-002" not in found


def test_a_test_that_runs_agents_is_an_evaluation() -> None:
    make = ModelMaker()
    make.agent("any")
    assert "EVAL-002" in fired(make.model)
    make.model.evaluation_tests = True
    assert "EVAL-002" not in fired(make.model)


def test_one_key_for_two_agents_is_shared() -> None:
    make = ModelMaker()
    first, second = make.agent("first"), make.agent("second")
    first.credentials["OPENAI_API_KEY"] = make.site()
    second.credentials["SECOND_API_KEY"] = make.site()
    assert "IDENTITY-001" not in fired(make.model)
    second.credentials["OPENAI_API_KEY"] = make.site()
    (instance,) = fired(make.model)["IDENTITY-001"].instances
    assert instance.subjects == ("first", "second")


def test_code_that_asks_a_model_outside_an_agent_shares_a_key_too() -> None:
    make = ModelMaker()
    make.agent("first").credentials["OPENAI_API_KEY"] = make.site()
    make.model.key_uses.append(KeyUse("OPENAI_API_KEY", make.site(), "scripts/summary.py:main"))
    (instance,) = fired(make.model)["IDENTITY-001"].instances
    assert instance.subjects == ("first", "scripts/summary.py:main")


def test_an_unnamed_agent_matters_beside_another() -> None:
    make = ModelMaker()
    make.agent("first").identified = False
    assert "IDENTITY-002" not in fired(make.model)
    make.agent("second")
    assert len(fired(make.model)["IDENTITY-002"].instances) == 1


def test_an_anonymous_agent_is_named_by_its_place_and_a_variable_by_itself() -> None:
    make = ModelMaker()
    for symbol in ("app.py:7", "helper"):
        agent = make.agent(symbol)
        agent.identified, agent.symbol = False, symbol
    texts = [instance.text for instance in fired(make.model)["IDENTITY-002"].instances]
    assert [text.partition(" has")[0] for text in texts] == ["agent at app.py:7", "helper"]


@pytest.mark.parametrize(
    ("name", "fires"),
    [
        ("MY_OPENAI_KEY", True),
        ("GITHUB_USER_TOKEN", True),
        ("PERSONAL_ACCESS_TOKEN", True),
        ("MYSQL_PASSWORD", False),
        ("USER_AGENT", False),
        ("DB_USER", False),
    ],
)
def test_personal_credentials_are_guessed_from_components_and_stay_medium(name: str, fires: bool) -> None:
    make = ModelMaker()
    make.agent("any")
    make.model.env_references.append(EnvReference(name, make.site()))
    found = fired(make.model)
    assert ("IDENTITY-003" in found) is fires
    if fires:
        assert (found["IDENTITY-003"].severity, found["IDENTITY-003"].confidence.label) == ("MEDIUM", "heuristic")


def test_a_direct_sdk_needs_its_import_in_the_file_that_names_the_model() -> None:
    make = ModelMaker()
    make.agent("any")
    make.model.model_uses.append(ModelUse("openai", "gpt-4o", make.site()))
    assert "PORTABILITY-001" not in fired(make.model, {"app.py": {"crewai"}, "other.py": {"openai"}})
    assert "PORTABILITY-001" in fired(make.model, {"app.py": {"openai.OpenAI"}})
    make.model.abstraction = True
    assert "PORTABILITY-001" not in fired(make.model, {"app.py": {"openai"}})


@pytest.mark.parametrize(
    ("vendors", "fires"),
    [
        ((), False),
        (("llm_guard",), True),
        (("llm_guard", "llm_guard"), True),
        (("llm_guard", "guardrails"), False),
        (("",), False),
    ],
)
def test_filters_of_one_vendor(vendors: tuple[str, ...], fires: bool) -> None:
    make = ModelMaker()
    agent = make.agent("any")
    make.model.guardrails += [
        Guardrail(make.site(), "output_filter", "generic", targets=[agent], vendor=vendor) for vendor in vendors
    ]
    assert ("PORTABILITY-002" in fired(make.model)) is fires


def test_a_framework_under_the_providers_namespace_is_not_its_sdk() -> None:
    make = ModelMaker()
    make.agent("any")
    make.model.model_uses.append(ModelUse("google", "gemini-2.0-flash", make.site()))
    assert "PORTABILITY-001" not in fired(make.model, {"app.py": {"google.adk.agents.LlmAgent"}})
    assert "PORTABILITY-001" in fired(make.model, {"app.py": {"google.genai"}})


def test_hosted_agents_env_files_and_secrets_fire_at_their_place() -> None:
    make = ModelMaker()
    make.agent("assistant").hosted = True
    make.model.env_files += [EnvFile(".env", False), EnvFile("deploy/.env", True)]
    make.model.secrets.append(Site("config.py", 7))
    found = fired(make.model)
    assert [i.site for i in found["ENV-001"].instances] == [Site(".env", 1)]
    assert [i.site for i in found["ENV-002"].instances] == [Site("config.py", 7)]
    assert "PORTABILITY-003" in found


def test_without_agents_nothing_is_reported() -> None:
    make = ModelMaker()
    make.model.secrets.append(Site("config.py", 7))
    make.model.env_files.append(EnvFile(".env", False))
    assert fired(make.model) == {}
