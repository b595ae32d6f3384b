package dev.hubless.conformance

import dev.hubless.Change
import dev.hubless.Content
import dev.hubless.Node
import dev.hubless.Peer
import dev.hubless.Query
import dev.hubless.RegisteredAgent
import dev.hubless.Scope
import dev.hubless.agent
import dev.hubless.describe
import dev.hubless.discover
import dev.hubless.find
import dev.hubless.listAgents
import dev.hubless.loadAgents
import dev.hubless.watch
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.withIndex
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import kotlinx.serialization.json.put
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration

/** What a case may do besides asking: stores, own agents, finding. */
internal class Operations(private val node: Node) {
    private val own = HashMap<String, RegisteredAgent>()
    private val runs = HashMap<String, AtomicInteger>()
    private val endurance = Endurance(node)

    /**
     * Does what [word] says, or nothing when that is another kind of action. What is found may
     * take as long as there is [patience].
     */
    suspend fun run(word: String, value: JsonElement, patience: Duration): Attempt? = when (word) {
        "templateSet", "templateRemove", "templateList" -> template(word, value)
        "credentialSet", "credentialRemove" -> credential(word, value)
        "pinSet", "pinRemove", "pinList" -> pin(word, value)
        "register" -> register(value.jsonObject)
        "unregister" -> done { own.getValue(value.text()).unregister() }
        "ownRuns" -> value(JsonPrimitive(runs.getValue(value.text()).get()))
        "find" -> found(node.find(wait = patience) { fill(value.jsonObject) })
        "discover" -> found(listOf(discovered(value.jsonObject)))
        "describe" -> described(value.text())
        "list" -> found(node.listAgents(Scope.valueOf(value.text().uppercase())))
        "load" -> load(value.jsonArray)
        else -> endurance.run(word, value)
    }

    /** An agent of the runner's own node. */
    fun ownAgent(name: String): RegisteredAgent = own.getValue(name)

    private suspend fun template(word: String, value: JsonElement): Attempt = when (word) {
        "templateSet" -> done {
            node.templates.set(value.text("name"), value.jsonObject.getValue("template").jsonObject)
        }
        "templateRemove" -> done { node.templates.remove(value.text()) }
        else -> Attempt.found(node.templates.names())
    }

    private suspend fun credential(word: String, value: JsonElement): Attempt = done {
        when (word) {
            "credentialSet" -> node.credentials.set(value.text("target"), value.text("secret"))
            else -> node.credentials.remove(value.text())
        }
    }

    private suspend fun pin(word: String, value: JsonElement): Attempt = when (word) {
        "pinSet" -> done { node.pins.set(value.text("name"), value.text("agentId")) }
        "pinRemove" -> done { node.pins.remove(value.text()) }
        else -> value(JsonObject(node.pins.all().mapValues { JsonPrimitive(it.value) }))
    }

    private suspend fun register(json: JsonObject): Attempt = done {
        val name = json.text("name")
        val counter = runs.computeIfAbsent(name) { AtomicInteger() }
        val rules = json["requirements"]?.jsonObject.orEmpty()
        val agent = node.agent<Content, String>(
            name,
            configure = {
                needs = json["needs"]?.jsonObject
                identity = json["identity"]?.text()
                replica = json["replica"]?.jsonPrimitive?.boolean ?: false
                requirements {
                    maxRequestBytes = rules["maxRequestBytes"]?.jsonPrimitive?.long
                    allowExternalConnections =
                        rules["allowExternalConnections"]?.jsonPrimitive?.boolean
                }
            },
        ) {
            counter.incrementAndGet()
            "own"
        }
        own[name] = agent
    }

    private suspend fun discovered(query: JsonObject): Peer = withTimeout(PATIENCE) {
        node.discover { fill(query) }.first()
    }

    private suspend fun described(name: String): Attempt {
        val about = node.describe(name)
        return value(
            buildJsonObject {
                put("descriptor", about.descriptor)
                put("skills", JsonArray(about.skills))
            },
        )
    }

    private suspend fun load(descriptors: JsonArray): Attempt {
        val done = node.loadAgents(descriptors.map { it.jsonObject })
        val kinds = JsonArray(done.refused.map { JsonPrimitive(it.kind.wire) })
        return value(JsonObject(mapOf("loaded" to JsonPrimitive(done.loaded), "refused" to kinds)))
    }

    /** The snapshot first, then one event for each of [steps]. */
    suspend fun watch(query: JsonObject, steps: List<suspend () -> Unit>): Attempt {
        val events = withTimeout(PATIENCE) {
            val seen = node.watch { fill(query) }.withIndex().take(steps.size + 1)
            val all = ArrayList<JsonElement>()
            seen.collect { (index, change) ->
                if (index > 0) all.add(eventOf(change))
                steps.getOrNull(index)?.invoke()
            }
            all
        }
        return Attempt.of("events", JsonArray(events))
    }

    private fun eventOf(change: Change): JsonElement = when (change) {
        is Change.Arrived -> event("arrived", change.agent.name)
        is Change.Changed -> event("changed", change.agent.name)
        is Change.Departed -> event("departed", change.name)
        is Change.Lagged -> event("lagged", "")
        is Change.Snapshot -> event("snapshot", "")
    }

    private fun event(what: String, name: String) =
        JsonArray(listOf(JsonPrimitive(what), JsonPrimitive(name)))

    private suspend fun done(work: suspend () -> Unit): Attempt {
        work()
        return Attempt.of("done", JsonPrimitive(true))
    }

    private fun value(value: JsonElement) = Attempt.of("value", value)

    private fun found(peers: List<Peer>) = Attempt.found(peers.map { it.name })
}

/** The query of a case, as one that a request goes to. */
internal fun queryOf(json: JsonObject): Query = Query().apply { fill(json) }

private fun JsonElement.text() = jsonPrimitive.content

private fun JsonElement.text(name: String) = jsonObject.getValue(name).text()
