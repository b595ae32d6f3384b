package dev.hubless.conformance

import dev.hubless.Chunk
import dev.hubless.ErrorKind
import dev.hubless.HublessException
import dev.hubless.NetworkPath
import dev.hubless.Node
import dev.hubless.Reply
import dev.hubless.RequestOptions
import dev.hubless.StreamItem
import dev.hubless.ask
import dev.hubless.events
import dev.hubless.find
import dev.hubless.request
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/** Runs cases against the subject of another language. */
internal class Caller(private val node: Node, private val to: String) {
    private val run = java.util.UUID.randomUUID().toString().take(8)

    /** Waits until the other side is there, for at most 20 s. */
    suspend fun waitForSubject() {
        val stats = "$to.stats"
        repeat(20) {
            val found = node.find(wait = 1.seconds) {
                where(dev.hubless.Filter.field("name") eq stats)
            }
            if (found.any { it.name == stats }) return
        }
        error("$stats was not found")
    }

    suspend fun run(case: JsonObject): Outcome {
        val id = case.getValue("id").jsonPrimitive.content
        val agent = case.getValue("agent").jsonPrimitive.content
        val began = TimeSource.Monotonic.markNow()
        val counted = "runs" in case
        val before = if (counted) stats("runs", agent) else 0
        val outcome =
            Outcome(id, filled(case["expect"] ?: JsonObject(emptyMap())), to, node.nodeKey)
        try {
            perform(case, agent, outcome)
        } catch (failure: Exception) {
            outcome.fault("the runner failed: $failure")
        }
        if (counted) {
            val wanted = case.getValue("runs").jsonPrimitive.int
            outcome.runs(stats("runs", agent) - before, wanted)
        }
        outcome.ms = began.elapsedNow().inWholeMilliseconds
        return outcome
    }

    private suspend fun perform(case: JsonObject, agent: String, outcome: Outcome) {
        val action = case["action"]?.jsonObject ?: JsonObject(emptyMap())
        when {
            "find" in action -> outcome.found(find(action.getValue("find").jsonObject))
            "stream" in action -> stream(case, outcome)
            "cancelAfterMs" in action -> cancel(
                case,
                agent,
                action.number("cancelAfterMs"),
                outcome,
            )
            "parallel" in action -> outcome.parallel(parallel(case, action.number("parallel")))
            "repeat" in action -> repeat(action.number("repeat")) {
                outcome.one(it, attempt(case, it))
            }
            else -> outcome.one(0, attempt(case, 0))
        }
    }

    private suspend fun find(json: JsonObject): List<String> =
        node.find(wait = 1.seconds) { fill(filled(json).jsonObject) }.map { it.name }

    /** One request and what came of it. */
    private suspend fun attempt(case: JsonObject, n: Int): Attempt = try {
        val request = case.getValue("request").jsonObject
        val content = contentOf(filled(request["content"] ?: JsonObject(emptyMap()), n).jsonObject)
        val reply = node.ask(target(case), content) { fill(case, n) }
        Attempt.of(reply)
    } catch (failure: HublessException) {
        Attempt(error = failure)
    }

    private suspend fun stream(case: JsonObject, outcome: Outcome) {
        val chunks = ArrayList<JsonElement>()
        val notes = ArrayList<JsonElement>()
        var reply: Reply? = null
        val request = case.getValue("request").jsonObject
        val content = contentOf(filled(request.getValue("content")).jsonObject)
        node.events(target(case), content) { fill(case, 0) }.collect { item ->
            when (item) {
                is Chunk -> chunks.add(item.value ?: JsonPrimitive(item.text))
                is StreamItem.Progress -> notes.add(JsonPrimitive(item.note))
                is StreamItem.Final -> reply = item.reply
                is StreamItem.Accepted -> Unit
            }
        }
        val answer = reply ?: error("the stream ended without an answer")
        outcome.stream(JsonArray(chunks), JsonArray(notes), Attempt.of(answer))
    }

    /** Cancels the coroutine that asks, and sees that the handler was cancelled within 2 s. */
    private suspend fun cancel(case: JsonObject, agent: String, afterMs: Int, outcome: Outcome) {
        val before = stats("cancelled", agent)
        var stopped = false
        coroutineScope {
            val asking = async {
                try {
                    attempt(case, 0)
                } catch (cancelled: CancellationException) {
                    stopped = true
                    throw cancelled
                }
            }
            delay(afterMs.milliseconds)
            asking.cancelAndJoin()
        }
        val began = TimeSource.Monotonic.markNow()
        while (stats("cancelled", agent) <= before && began.elapsedNow() < 2.seconds) delay(20)
        val grown = stats("cancelled", agent) - before
        if (!stopped) outcome.fault("the caller was not cancelled")
        if (grown != 1) outcome.fault("the handler was cancelled $grown times")
        outcome.one(
            0,
            Attempt(error = HublessException(ErrorKind.CANCELLED, "cancelled by the caller")),
        )
    }

    private suspend fun parallel(case: JsonObject, n: Int): Map<String, Int> = coroutineScope {
        List(n) { async { attempt(case, it) } }.awaitAll()
            .groupingBy { it.error?.kind?.wire ?: "ok" }.eachCount()
    }

    private suspend fun stats(what: String, agent: String): Int {
        val stats = node.request<JsonObject>("$to.stats")
        return stats.getValue(what).jsonObject[agent]?.jsonPrimitive?.int ?: 0
    }

    private fun target(case: JsonObject): String =
        case["to"]?.let { filled(it).jsonPrimitive.content }
            ?: "$to.${case.getValue("agent").jsonPrimitive.content}"

    private fun RequestOptions.fill(case: JsonObject, n: Int) {
        options(filled(case.getValue("request"), n).jsonObject)
        val action = case["action"]?.jsonObject ?: return
        if ("tool" in action) addTool(action.getValue("tool").jsonPrimitive.content)
        action["input"]?.let { answer -> onInput { answer } }
    }

    /** Puts the values of placeholders in. */
    private fun filled(json: JsonElement, n: Int = 0): JsonElement = when (json) {
        is JsonObject -> JsonObject(json.mapValues { filled(it.value, n) })
        is JsonArray -> JsonArray(json.map { filled(it, n) })
        is JsonPrimitive -> if (json.isString) placeholder(json.content, n) else json
    }

    private fun placeholder(text: String, n: Int): JsonElement =
        if (text == "\$DEEP") {
            (1..DEEP).fold(JsonArray(emptyList())) { inner, _ -> JsonArray(listOf(inner)) }
        } else {
            val named = text.replace("\$TO", to).replace("\$RUN", run).replace("\$N", n.toString())
            JsonPrimitive(named)
        }

    private fun JsonObject.number(name: String) = getValue(name).jsonPrimitive.int

    private companion object {
        /** Nesting of the value `$DEEP`, inside one more array. */
        const val DEEP = 99
    }
}

/** What came of one request. */
internal class Attempt(
    val reply: Reply? = null,
    val error: HublessException? = null,
    val blob: BlobSeen? = null,
) {
    val path: NetworkPath? get() = reply?.path

    companion object {
        /** Reads the blob of an answer, if it has one. */
        suspend fun of(reply: Reply): Attempt =
            Attempt(reply, blob = reply.content.binaries.firstOrNull()?.let { BlobSeen.of(it) })
    }
}
