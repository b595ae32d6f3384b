package dev.hubless

import kotlinx.coroutines.flow.Flow
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlin.time.Duration

/**
 * Why an agent came where it came in the ranking.
 *
 * @property signal name of the signal
 * @property value its value
 * @property weight how much it counts
 * @sample dev.hubless.samples.FindSamples.peer
 */
public data class RankSignal(
    public val signal: String,
    public val value: Double,
    public val weight: Double,
)

/**
 * A skill as it is published.
 *
 * @property id name of the skill
 * @property title short title
 * @property description the beginning of its description
 * @property tags words to be found by
 * @property effect what may be retried
 * @property attributes typed facts
 * @property json everything that is published of it
 * @sample dev.hubless.samples.FindSamples.peer
 */
public class PublishedSkill internal constructor(
    public val id: String,
    public val title: String?,
    public val description: String,
    public val tags: Set<String>,
    public val effect: Effect,
    public val attributes: JsonObject,
    public val json: JsonObject,
)

/**
 * What an agent publishes in full.
 *
 * @property descriptor its descriptor
 * @property skills its skills with schemas and examples
 * @sample dev.hubless.samples.FindSamples.describe
 */
public class AgentDescription internal constructor(
    public val descriptor: JsonObject,
    public val skills: List<JsonObject>,
)

/**
 * An agent that was found; calls go to exactly this one.
 *
 * @sample dev.hubless.samples.FindSamples.peer
 */
public class Peer internal constructor(
    /** The node that found it and calls it. */
    public val node: Node,
    /** Its id. */
    public val agentId: String,
    /** Short form of its id, `N:NNNN.HHHH.LLLL`. */
    public val address: String,
    /** Its name. */
    public val name: String,
    /** What it publishes about itself. */
    public val about: PeerDetails,
    private val killSwitch: KillSwitch? = null,
) {
    /** The node it lives on. */
    public val nodeKey: String get() = about.nodeKey

    /** Words it is found by. */
    public val tags: Set<String> get() = about.tags

    /** Its skills, in short form. */
    public val skills: List<PublishedSkill> get() = about.skills

    /** How it is reached; null if that was not tried. */
    public val path: NetworkPath? get() = about.path

    /** How well it fits the question, higher is better. */
    public val score: Double get() = about.score

    /** The same agent, asked under [switch] unless a request names another one. */
    public fun with(switch: KillSwitch): Peer = Peer(
        node = node,
        agentId = agentId,
        address = address,
        name = name,
        about = about,
        killSwitch = switch,
    )

    /** Asks and returns the answer as an [O]: text, a `@Serializable` type, JSON or [Content]. */
    public suspend inline fun <reified O> request(
        input: Any? = null,
        noinline configure: RequestOptions.() -> Unit = {},
    ): O = node.request(agentId, input, paid(configure))

    /** Asks and returns the answer with its usage, timing and path. */
    public suspend fun ask(input: Any? = null, configure: RequestOptions.() -> Unit = {}): Reply =
        node.ask(agentId, input, paid(configure))

    /** Asks; a refusal is part of the result instead of being thrown. */
    public suspend fun send(
        input: Any? = null,
        configure: RequestOptions.() -> Unit = {},
    ): Response = node.send(agentId, input, paid(configure))

    /** Asks when collected and emits the pieces of the answer, see [Node.stream]. */
    public inline fun <reified O> stream(
        input: Any? = null,
        noinline configure: RequestOptions.() -> Unit = {},
    ): Flow<O> = node.stream(agentId, input, paid(configure))

    /** Asks when collected and emits everything that happens. */
    public fun events(
        input: Any? = null,
        configure: RequestOptions.() -> Unit = {},
    ): Flow<StreamItem> = node.events(agentId, input, paid(configure))

    /** Everything it publishes, schemas and examples included. */
    public suspend fun describe(): AgentDescription = node.describe(agentId)

    @PublishedApi
    internal fun paid(configure: RequestOptions.() -> Unit): RequestOptions.() -> Unit = {
        killSwitch = this@Peer.killSwitch
        configure()
    }

    override fun toString(): String = "Peer($name, $address)"
}

/**
 * What an agent publishes about itself, in short.
 *
 * @property title short title
 * @property description what it is for
 * @property version its version
 * @property nodeKey the node it lives on; empty: it was imported, and no node announced it
 * @property tags words it is found by
 * @property skills its skills
 * @property requiresAuth whether it wants a credential
 * @property stored whether its identity is kept over restarts
 * @property transient whether it lives only moments
 * @property needs what callers must bring, by kind
 * @property score how well it fits the question
 * @property path how it is reached; null if that was not tried
 * @property latency round trip, if measured
 * @property explain why it came where it came, if that was asked for
 * @sample dev.hubless.samples.FindSamples.peer
 */
public class PeerDetails internal constructor(
    public val title: String?,
    public val description: String,
    public val version: String?,
    public val nodeKey: String,
    public val tags: Set<String>,
    public val skills: List<PublishedSkill>,
    public val requiresAuth: Boolean,
    public val stored: Boolean,
    public val transient: Boolean,
    public val needs: JsonElement?,
    public val score: Double,
    public val path: NetworkPath?,
    public val latency: Duration?,
    public val explain: List<RankSignal>,
)
