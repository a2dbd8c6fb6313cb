"""The static model: what detectors find in a repository, before graph, rules and ping are made of it.

Definitions are those of finding_rules.md part A. Objects are compared by identity; a definition is known by its `Site`.
Detectors fill a `Model`; nothing in here reads files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from stratum_lab.scan.source.index import Call, Class, Function
    from stratum_lab.scan.source.resolve import Value

GuardrailKind = Literal["hitl", "input_filter", "output_filter", "rate_limit", "validation"]
CapabilityKind = Literal["outbound", "data_access", "destructive", "code_exec", "financial", "file_system"]
Trust = Literal["privileged", "restricted", "internal", "external", "public"]
Sensitivity = Literal["credentials", "personal", "health", "financial", "internal", "public", "unknown"]
Checkpoint = Literal["durable", "memory_only", "none"]


class Confidence(IntEnum):
    """How a fact was established; the lowest of several decides."""

    HEURISTIC = 1
    PROBABLE = 2
    CONFIRMED = 3

    @property
    def label(self) -> str:
        """The word a ping uses."""
        return self.name.lower()


class Site(NamedTuple):
    """A place in the scanned tree: path relative to its root, line from 1, column from 0. Ordered by place."""

    file: str
    line: int
    column: int = 0


@dataclass(eq=False, slots=True)
class Tool:
    """Something an agent may call.

    Attributes:
        identity: What is counted: class name of a tool class or toolkit, qualified name of a function, server name.
        name: Name registered with the framework (join key); the identity's last part when none is given.
        kind: class, toolkit, function, mcp, hosted, schema (a literal function schema) or agent (an agent as tool).
        site: Where it is constructed, or defined when it is a function or class of the repository.
        origin: Dotted origin of its class or function, None when unknown.
        code: Functions of the repository that run when it is called (the function; `_run`, `forward` of a class).
        call: The constructing call, for arguments such as a literal host; of a function, its factory's or none.
        selected: Operations a toolkit is restricted to by a literal; None when unrestricted.
        server: The MCP server it comes from.
        defined_in: Path of the file that defines it when it is the repository's own, else "".
        confidence: How it was resolved.
        agent: The agent that it is, for kind agent.
    """

    identity: str
    name: str
    kind: Literal["class", "toolkit", "function", "mcp", "hosted", "schema", "agent"]
    site: Site
    origin: str | None = None
    code: list[Function] = field(default_factory=list)
    call: Call | None = None
    selected: tuple[str, ...] | None = None
    server: McpServer | None = None
    defined_in: str = ""
    confidence: Confidence = Confidence.CONFIRMED
    agent: Agent | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Two tools with one key are one tool: the identity, and the defining file for the repository's own."""
        return (self.identity, self.defined_in)


@dataclass(eq=False, slots=True)
class Agent:
    """One agent definition (A3 to A7b); its site is its identity.

    Attributes:
        site: Call, decorated method, `add_node` call or YAML key that defines it.
        framework: Module name of the framework: crewai, langgraph, langchain, autogen, openai_agents, openai, ...
        symbol: Class and method, variable, factory, or "<file>:<line>" when anonymous.
        name: Name of the join key (role, `name=`, node name); may hold {placeholders}.
        unit: Project unit (path of its directory, "" for the root).
        role: Free text that says what it does (role, else name); for rules that look at words.
        identified: It carries an explicit role, name or id literal or config key.
        tools: Tools it holds, including those of its tasks; no two with one key.
        code: Functions of the repository that run as this agent (node functions, BaseChatAgent methods).
        code_execution: Where it runs generated code, None when it does not.
        delegation_allowed: `allow_delegation=True`: a permission, not an edge.
        credentials: Env variable names its key is taken from by explicit reference, with place.
        config_missing: Its YAML key does not exist.
        inline: Constructed inside a tool function; belongs to no crew.
        hosted: Defined in a hosted proprietary format (Assistants API).
        places: Other places of the same definition, such as the YAML key.
        mcp_servers: Servers its tools come from.
        rate_limited: It carries a rate_limit guardrail of its own.
        runs_on: Framework that runs it, where that is another one: its nodes bear that one's name at run time.
    """

    site: Site
    framework: str
    symbol: str
    name: str
    unit: str = ""
    role: str = ""
    identified: bool = False
    confidence: Confidence = Confidence.CONFIRMED
    tools: list[Tool] = field(default_factory=list)
    code: list[Function] = field(default_factory=list)
    code_execution: Literal["local", "docker"] | None = None
    delegation_allowed: bool = False
    credentials: dict[str, Site] = field(default_factory=dict)
    config_missing: bool = False
    inline: bool = False
    hosted: bool = False
    places: list[Site] = field(default_factory=list)
    mcp_servers: list[McpServer] = field(default_factory=list)
    runs_on: str | None = None

    def hold(self, tools: list[Tool]) -> None:
        """Give it tools; one with a key it already holds is left out."""
        held = {tool.key for tool in self.tools}
        for tool in tools:
            if tool.key not in held:
                held.add(tool.key)
                self.tools.append(tool)
            if tool.server is not None and tool.server not in self.mcp_servers:
                self.mcp_servers.append(tool.server)


@dataclass(eq=False, slots=True)
class Task:
    """A CrewAI task, or what plays its part elsewhere. `validated`: schema or guardrail on its output."""

    site: Site
    name: str
    agent: Agent | None = None
    text: str = ""
    hitl: bool = False
    validated: bool = False
    tools: list[Tool] = field(default_factory=list)
    context: list[Task] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class GroupChat:
    """A group chat without a manager agent: delegations start at the chat itself."""

    site: Site
    framework: str
    name: str
    unit: str = ""


@dataclass(eq=False, slots=True)
class Step:
    """A graph node that is no agent; published, but contracted away in the ping's graph."""

    site: Site
    framework: str
    name: str
    unit: str = ""
    code: list[Function] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Crew:
    """Agents that run together: crew, graph with agents, team, chat; known by its site.

    Attributes:
        name: Class name, variable or given name, with a counter where it repeats; unique in the model.
        process: sequential, hierarchical, graph, round_robin, selector, swarm, chat, parallel, loop, handoff.
        members: Distinct agents, in order of work where that is known, else as listed.
        ordered: The order of members is the order of work (sequential crew, round robin, linear graph).
        manager: Manager or supervisor that is an agent; it is in `members` too.
        tasks: Its tasks in order.
        checkpoint: Persistence that was given to it.
        memory: `memory=True`; flow persistence is `checkpoint`.
        rate_limited: It, or a run of it, carries a rate limit.
        run: Something starts it (`kickoff`, `invoke`, `run`, ...).
        unknown_members: Members of a literal list that could not be resolved.
    """

    site: Site
    framework: str
    name: str
    process: str
    unit: str = ""
    members: list[Agent] = field(default_factory=list)
    ordered: bool = False
    manager: Agent | None = None
    chat: GroupChat | None = None
    tasks: list[Task] = field(default_factory=list)
    checkpoint: Checkpoint = "none"
    memory: bool = False
    rate_limited: bool = False
    run: bool = False
    unknown_members: int = 0


@dataclass(eq=False, slots=True)
class Link:
    """An edge between agents (or a group chat or step), as found in the source.

    Attributes:
        edge_type: feeds_into or delegates_to.
        crew: The crew in which it runs, None across crews.
        flow: It links two crews of a flow.
        contracted: It replaces a way through steps: in the ping's graph, not in the published one.
    """

    source: Agent | GroupChat | Step
    target: Agent | Step
    edge_type: Literal["feeds_into", "delegates_to"]
    crew: Crew | None = None
    flow: bool = False
    contracted: bool = False


@dataclass(eq=False, slots=True)
class Guardrail:
    """A control (A9). `targets` are what it is evidently linked to; empty covers nothing.

    Attributes:
        active: Used, not merely imported; only active ones count. A hitl without a checkpointer is not.
        vendor: First component of the library for filters, else "".
        by_unit: Links to every agent of the same unit when `targets` is empty (filters only).
    """

    site: Site
    kind: GuardrailKind
    framework: str
    unit: str = ""
    targets: list[Agent | Tool | Task | Crew | Step] = field(default_factory=list)
    active: bool = True
    vendor: str = ""
    by_unit: bool = False


@dataclass(eq=False, slots=True)
class McpServer:
    """An MCP server of a configuration file or of code (A12); known by (file, name)."""

    site: Site
    name: str
    command: str = ""
    args: list[str] = field(default_factory=list)
    url: str = ""
    transport: str = ""
    env_names: list[str] = field(default_factory=list)
    header_names: list[str] = field(default_factory=list)
    package: str = ""
    version: str = ""
    publisher: str = ""
    remote: bool = False
    unit: str = ""

    @property
    def authenticated(self) -> bool:
        """A passed env or header name says so."""
        words = ("TOKEN", "KEY", "SECRET", "AUTH", "PASSWORD", "OAUTH", "BEARER")
        return any(word in name.upper() for name in (*self.env_names, *self.header_names) for word in words)


class CallSite(NamedTuple):
    """One call of a library in the repository.

    Attributes:
        method: Last part of the callee.
        library: Dotted origin of the callee.
        in_try: Lexically inside the body of a `try`.
        timed: Has an effective timeout; None where the question does not arise.
        validated: Its function checks its input before the call.
        literal_host: Host when the address is a literal, else "".
    """

    site: Site
    library: str
    method: str
    in_try: bool
    timed: bool | None
    validated: bool
    literal_host: str


@dataclass(eq=False, slots=True)
class Capability:
    """A distinct (unit, symbol, kind) (A8), with the agents that can reach it.

    Attributes:
        symbol: Enclosing function of the repository for library calls, identity for framework tools.
        service: Canonical service of its store or sink, "" when there is none; of several, the first.
        services: All of them, when it has several.
        agents: Agents that hold it: through a tool or through code that runs as the agent.
        tools: The tools it comes from.
        steps: Graph nodes that are no agent and whose code runs it.
        calls: Call sites (line > 0); empty for framework tool classes.
        channel: People-facing channel it sends through (email, slack, ...), "" when none.
        draft: It only drafts messages.
        fetches: It brings untrusted content in (web reading, search results).
        search_only: It is a pure search tool.
    """

    unit: str
    symbol: str
    kind: CapabilityKind
    trust: Trust
    confidence: Confidence
    sites: list[Site] = field(default_factory=list)
    service: str = ""
    services: list[str] = field(default_factory=list)
    framework: str = "generic"
    agents: list[Agent] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    calls: list[CallSite] = field(default_factory=list)
    channel: str = ""
    draft: bool = False
    fetches: bool = False
    search_only: bool = False

    @property
    def all_services(self) -> list[str]:
        """Every canonical service, none twice."""
        return self.services or ([self.service] if self.service else [])


class ModelUse(NamedTuple):
    """A provider or model that code or configuration names (A10). `slug` is "" when only the model is known."""

    slug: str
    model: str
    site: Site
    agent: Agent | None = None


class KeyUse(NamedTuple):
    """A key that code outside of any agent gives a model client, by the environment variable it reads."""

    name: str
    site: Site
    scope: str


class EnvReference(NamedTuple):
    """An environment variable named in Python or declared in an env file."""

    name: str
    site: Site


class EnvFile(NamedTuple):
    """A real env file in the tree (ENV-001); `ignored` when a .gitignore covers it."""

    path: str
    ignored: bool


class StoreAccess(NamedTuple):
    """A write or read of a memory store; `scope` is the agent's symbol or the function's or file's name."""

    site: Site
    method: str
    scope: str
    agent: Agent | None
    arguments: tuple[str, ...]


@dataclass(eq=False, slots=True)
class MemoryStore:
    """A memory store object (A11); `kind` is vector_memory, conversation_memory, agent_memory, ...

    Attributes:
        collection: Literal name of the collection, or the variable's place when it has none.
        arguments: Keyword arguments of its construction and of the creation of its collections.
        rollback: Snapshot, backup, restore or version evidence.
        constructed: False when the module is imported but no object of it is made.
    """

    site: Site
    kind: str
    library: str
    unit: str = ""
    collection: str = ""
    arguments: tuple[str, ...] = ()
    writes: list[StoreAccess] = field(default_factory=list)
    reads: list[StoreAccess] = field(default_factory=list)
    rollback: bool = False
    constructed: bool = True


class Learning(NamedTuple):
    """Distillation or fine-tuning on run data: `kind` is distillation or fine_tuning."""

    kind: Literal["distillation", "fine_tuning"]
    site: Site


class Telemetry(NamedTuple):
    """A telemetry provider, by import, call or env name. `hosted` False when its host is local."""

    provider: str
    site: Site
    hosted: bool
    by: Literal["import", "env"]


class Evaluation(NamedTuple):
    """An evaluation framework that is imported."""

    tool: str
    site: Site


class Skipped(NamedTuple):
    """A candidate file that was not parsed, with the reason."""

    file: str
    reason: str


@dataclass(eq=False, slots=True)
class Model:
    """Everything found in one repository. Lists are in order of place once `settle` has run."""

    agents: list[Agent] = field(default_factory=list)
    crews: list[Crew] = field(default_factory=list)
    chats: list[GroupChat] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    guardrails: list[Guardrail] = field(default_factory=list)
    mcp_servers: list[McpServer] = field(default_factory=list)
    capabilities: list[Capability] = field(default_factory=list)
    model_uses: list[ModelUse] = field(default_factory=list)
    key_uses: list[KeyUse] = field(default_factory=list)
    provider_fallback: bool = False
    abstraction: bool = False
    env_references: list[EnvReference] = field(default_factory=list)
    env_files: list[EnvFile] = field(default_factory=list)
    env_ignored: bool = False
    secrets: list[Site] = field(default_factory=list)
    stores: list[MemoryStore] = field(default_factory=list)
    checkpoints: dict[Site, Checkpoint] = field(default_factory=dict)
    learning: list[Learning] = field(default_factory=list)
    telemetry: list[Telemetry] = field(default_factory=list)
    evaluation: list[Evaluation] = field(default_factory=list)
    evaluation_tests: bool = False
    frameworks: dict[str, int] = field(default_factory=dict)
    framework_versions: dict[str, str | None] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    _by_site: dict[Site, Agent] = field(default_factory=dict)
    _by_code: dict[Function | Class, Agent] = field(default_factory=dict)

    def add_agent(self, agent: Agent, *owners: Function | Class) -> Agent:
        """Register an agent under its site, and under the function or class whose value stands for it.

        A site that is taken returns the agent already there, so that two detectors never count one definition twice.
        """
        known = self._by_site.get(agent.site)
        if known is None:
            self._by_site[agent.site] = known = agent
            self.agents.append(agent)
        for owner in owners:
            self._by_code.setdefault(owner, known)
        return known

    def stand_for(self, agent: Agent, what: Site | Function | Class) -> None:
        """Let a further call, function or class stand for an agent (an executor around a factory, a node)."""
        if isinstance(what, Site):
            self._by_site.setdefault(what, agent)
            if what != agent.site and what not in agent.places:
                agent.places.append(what)
        else:
            self._by_code.setdefault(what, agent)

    def agent_at(self, site: Site) -> Agent | None:
        """The agent defined by the call at a site."""
        return self._by_site.get(site)

    def agent_of_code(self, code: Function | Class) -> Agent | None:
        """The agent a function (decorated method, factory) or class stands for."""
        return self._by_code.get(code)

    def agent_of(self, value: Value) -> Agent | None:
        """The agent a resolved value is: by the call that made it, the functions it came through, or its class."""
        for call in value.calls:
            found = self._by_site.get(call.site)
            if found is not None:
                return found
        for function in value.via:
            found = self._by_code.get(function)
            if found is not None:
                return found
        code = value.function or value.cls
        return self._by_code.get(code) if code is not None else None

    def crews_of(self, agent: Agent) -> list[Crew]:
        """Crews an agent is a member of."""
        return [crew for crew in self.crews if agent in crew.members]

    def settle(self) -> None:
        """Bring lists into order of place, and make crew names unique with a counter."""
        for items in (self.agents, self.crews, self.chats, self.steps, self.tasks, self.mcp_servers, self.stores):
            items.sort(key=lambda item: item.site)
        self.guardrails.sort(key=lambda g: (g.site, g.kind))
        seen: dict[str, int] = {}
        for crew in self.crews:
            seen[crew.name] = count = seen.get(crew.name, 0) + 1
            if count > 1:
                crew.name = f"{crew.name} ({count})"
