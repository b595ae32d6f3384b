package dev.hubless

import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import java.time.LocalDate

/**
 * How many instances of an agent there are.
 *
 * @sample dev.hubless.samples.AgentSamples.isolated
 */
public enum class Concurrency {
    /** One for all calls; the default. */
    SHARED,

    /** A new one for every call, dropped at its end. */
    ISOLATED,
}

/**
 * Whether using a skill costs tokens.
 *
 * @sample dev.hubless.samples.AgentSamples.skill
 */
public enum class Spends {
    /** It does not. */
    NONE,

    /** It may; the default. */
    TOKENS,
}

/**
 * Who may keep and pass on the answers of a skill.
 *
 * @sample dev.hubless.samples.AgentSamples.skill
 */
public enum class Share {
    /** Nobody; the default. */
    NO,

    /** Members of the mesh. */
    MESH,

    /** Everybody. */
    PUBLIC,
}

/**
 * A closed span of dates or numbers, as a typed fact about a skill.
 *
 * @property from first value
 * @property to last value
 * @sample dev.hubless.samples.AgentSamples.skill
 */
public class Interval private constructor(internal val from: Any, internal val to: Any) {
    /** A span of dates. */
    public constructor(from: LocalDate, to: LocalDate) : this(from as Any, to as Any)

    /** A span of numbers. */
    public constructor(from: Number, to: Number) : this(from as Any, to as Any)
}

/**
 * An example of using a skill.
 *
 * @property text what a person would say
 * @property input the input
 * @property output what comes of it
 * @sample dev.hubless.samples.AgentSamples.skill
 */
public data class Example @JvmOverloads constructor(
    public val text: String? = null,
    public val input: JsonElement? = null,
    public val output: JsonElement? = null,
)

/**
 * One thing that an agent can do.
 *
 * @sample dev.hubless.samples.AgentSamples.skill
 */
@HublessDsl
public class SkillOptions internal constructor(id: String) {
    /** Name of the skill, unique in the agent. */
    public var id: String = id

    /** Short title. */
    public var title: String? = null

    /** What it does, for people and models; default the agent's description. */
    public var description: String? = null

    /** Words to be found by. */
    public var tags: Set<String> = emptySet()

    /** What may be retried; default at most once. */
    public var effect: Effect? = null

    /** Whether it costs tokens. */
    public var spends: Spends? = null

    /** Who may keep its answers. */
    public var share: Share? = null

    /** JSON schema of the input; default derived from the types. */
    public var inputSchema: JsonObject? = null

    /** JSON schema of the answer; default derived from the types. */
    public var outputSchema: JsonObject? = null

    /** Media types that it reads. */
    public var modesIn: List<String> = emptyList()

    /** Media types that it writes. */
    public var modesOut: List<String> = emptyList()

    /** What it costs, as free text for callers. */
    public var costHint: String? = null

    /** Examples of its use. */
    public var examples: List<Example> = emptyList()

    internal val attributes = LinkedHashMap<String, Any>()

    /**
     * States a typed fact to be found by: text, a number, a flag, a [LocalDate], an [Interval] or a
     * list of those; at most 32.
     */
    public fun attribute(name: String, value: Any) {
        attributes[name] = value
    }
}

/**
 * Everything that may be said about an agent; each field left null has the core's default.
 *
 * @sample dev.hubless.samples.AgentSamples.function
 */
@HublessDsl
public class AgentOptions internal constructor(name: String) {
    /** Name, 1 to 64 of `a-z 0-9 - _ .`, unique in the node. */
    public var name: String = name

    /** Short title. */
    public var title: String? = null

    /** What it is for, for people and models. */
    public var description: String? = null

    /** Version of the agent. */
    public var version: String? = null

    /** Words to be found by. */
    public var tags: Set<String> = emptySet()

    /** Topics that it gathers round. */
    public var groups: Set<String> = emptySet()

    /** Protocol of its context. */
    public var contextProtocol: String? = null

    /** Form of its input, such as `plainText` or `json`. */
    public var inputSchemaKind: String? = null

    /** Tokens that its model can read. */
    public var contextWindowTokens: Long? = null

    /** Kinds of content that it says it reads. */
    public var contentTypesIn: Set<ContentType> = emptySet()

    /** Kinds of content that it says it writes. */
    public var contentTypesOut: Set<ContentType> = emptySet()

    /** Models by use. */
    public var allowedModels: JsonObject? = null

    /** Whether it answers in chunks. */
    public var streaming: Boolean? = null

    /** What it costs, as free text for callers. */
    public var costHint: String? = null

    /** Names of tools that it offers. */
    public var tools: List<String> = emptyList()

    /** Content, context and schemas that calls to it start from. */
    public var requestTemplate: JsonObject? = null

    /** What callers must bring, by kind. */
    public var needs: JsonObject? = null

    /** Whether it wants conversations. */
    public var usesConverse: Boolean = false

    /** Whether it keeps the history of conversations, see [CallContext.history]. */
    public var recordsInteractionContext: Boolean = false

    /** Whether it keeps prompts. */
    public var recordsPromptContent: Boolean = false

    /** How many instances there are; a factory is always isolated. */
    public var concurrency: Concurrency = Concurrency.SHARED

    /** Name of a stored identity; default an own fresh key. */
    public var identity: String? = null

    /** Whether the agent lives only moments. */
    public var transient: Boolean = false

    /** Whether another process may serve the same stored identity. */
    public var replica: Boolean = false

    internal var requirements: Requirements? = null
    internal val skills = ArrayList<SkillOptions>()

    /** Says what the agent enforces. */
    public fun requirements(configure: Requirements.() -> Unit) {
        requirements = (requirements ?: Requirements()).apply(configure)
    }

    /** Describes a skill; without an id the agent's only one, which bears its name. */
    public fun skill(id: String? = null, configure: SkillOptions.() -> Unit) {
        val wanted = id ?: skills.singleOrNull()?.id ?: name
        val known = skills.firstOrNull { it.id == wanted }
            ?: SkillOptions(wanted).also(skills::add)
        known.configure()
    }
}
