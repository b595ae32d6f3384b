package dev.hubless

import dev.hubless.internal.child
import dev.hubless.internal.errorOf
import dev.hubless.internal.long
import dev.hubless.internal.obj
import dev.hubless.internal.objects
import dev.hubless.internal.peerOf
import dev.hubless.internal.pullStream
import dev.hubless.internal.some
import dev.hubless.internal.text
import dev.hubless.internal.wholeMs
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put
import kotlin.time.Duration

/**
 * Which agents of a node's registry are meant.
 *
 * @sample dev.hubless.samples.FindSamples.lists
 */
public enum class Scope {
    /** Those that accept callers outside the mesh. */
    GLOBAL,

    /** Those that live here. */
    LOCAL,

    /** Those known from elsewhere. */
    CLIENT,

    /** All. */
    ALL,
}

/**
 * What a watch reports.
 *
 * @sample dev.hubless.samples.FindSamples.watch
 */
public sealed interface Change {
    /**
     * The agents that are there when the watch begins, or begins anew.
     *
     * @property agents all that match
     */
    public data class Snapshot(public val agents: List<Peer>) : Change

    /**
     * An agent has come.
     *
     * @property agent the agent
     */
    public data class Arrived(public val agent: Peer) : Change

    /**
     * An agent says something else about itself.
     *
     * @property agent the agent
     */
    public data class Changed(public val agent: Peer) : Change

    /**
     * An agent has gone.
     *
     * @property agentId its id
     * @property name its name
     */
    public data class Departed(public val agentId: String, public val name: String) : Change

    /**
     * Changes were missed because they were not collected in time.
     *
     * @property count how many
     */
    public data class Lagged(public val count: Long) : Change
}

/**
 * Finds agents, the best first; waits up to [wait] (default 1 s) for a first one.
 *
 * @param explain whether each is to say why it came where it came
 */
public suspend fun Node.find(
    text: String? = null,
    wait: Duration? = null,
    explain: Boolean = false,
    configure: Query.() -> Unit = {},
): List<Peer> {
    val body = searchBody(Query(text).apply(configure), wait, explain)
    return session.call("find", body).body.objects("agents").map(::peerOf)
}

/**
 * Finds the best agent; waits up to [wait] (default 1 s) for one.
 *
 * @throws HublessException kind `not_found` if there is none
 */
public suspend fun Node.peer(
    text: String? = null,
    wait: Duration? = null,
    configure: Query.() -> Unit = {},
): Peer {
    val body = searchBody(Query(text).apply(configure), wait, explain = false)
    return peerOf(session.call("peer", body).body)
}

/** Emits agents as they appear, each once, until collection ends; under back-pressure. */
public fun Node.discover(
    text: String? = null,
    configure: Query.() -> Unit = {},
): Flow<Peer> = pullStream("discover") {
    searchBody(Query(text).apply(configure), wait = null, explain = false)
}.map { (item, _) -> peerOf(item) }

/** Emits what happens to matching agents, beginning with a snapshot, until collection ends. */
public fun Node.watch(text: String? = null, configure: Query.() -> Unit = {}): Flow<Change> =
    pullStream("watch") { obj { put("query", Query(text).apply(configure).json()) } }
        .mapNotNull { (item, _) -> changeOf(item) }

/** Reads everything that an agent, given by id, name or address, publishes. */
public suspend fun Node.describe(agent: String): AgentDescription {
    val body = session.call("describe", obj { put("agent", agent) }).body
    return AgentDescription(
        descriptor = body.child("descriptor") ?: JsonObject(emptyMap()),
        skills = body.objects("skills"),
    )
}

/** Lists the agents of the node's own registry. */
public suspend fun Node.listAgents(scope: Scope = Scope.ALL): List<Peer> {
    val body = obj { put("scope", scope.name.lowercase()) }
    return session.call("listAgents", body).body.objects("agents").map(::peerOf)
}

/**
 * What became of a catalogue.
 *
 * @property loaded number of agents taken over
 * @property refused why others were not
 * @sample dev.hubless.samples.FindSamples.lists
 */
public class Loaded internal constructor(
    public val loaded: Int,
    public val refused: List<ErrorDetails>,
)

/** Takes over descriptors of agents that live elsewhere. */
public suspend fun Node.loadAgents(descriptors: List<JsonObject>): Loaded {
    val body = obj { put("descriptors", JsonArray(descriptors)) }
    val result = session.call("loadAgents", body).body
    return Loaded(
        loaded = result.long("loaded")?.toInt() ?: 0,
        refused = result.objects("refused").map { errorOf(it).details },
    )
}

private fun searchBody(query: Query, wait: Duration?, explain: Boolean): JsonObject = obj {
    put("query", query.json())
    some("waitMs", wait?.let(::wholeMs))
    if (explain) put("explain", true)
}

private fun Node.changeOf(item: JsonObject): Change? {
    item.child("arrived")?.let { return Change.Arrived(peerOf(it)) }
    item.child("changed")?.let { return Change.Changed(peerOf(it)) }
    item.child("departed")?.let {
        return Change.Departed(it.text("agentId").orEmpty(), it.text("name").orEmpty())
    }
    item.long("lagged")?.let { return Change.Lagged(it) }
    if ("snapshot" !in item) return null
    return Change.Snapshot(item.objects("snapshot").map(::peerOf))
}
