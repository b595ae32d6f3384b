package dev.hubless.conformance

import dev.hubless.Chunk
import dev.hubless.Content
import dev.hubless.ErrorKind
import dev.hubless.Filter
import dev.hubless.HublessException
import dev.hubless.Node
import dev.hubless.Reply
import dev.hubless.RequestOptions
import dev.hubless.StreamItem
import dev.hubless.ask
import dev.hubless.check
import dev.hubless.events
import dev.hubless.find
import dev.hubless.peer
import dev.hubless.send
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
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/** Runs cases against the subject of another language. */
internal class Caller(private val node: Node, private val to: String) {
    private val operations = Operations(node)
    private var key = ""
    private var agentId = ""
    private val run = java.util.UUID.randomUUID().toString().take(8)

    /** Waits until the other side is there, for at most 20 s. */
    suspend fun waitForSubject() {
        val stats = "$to.stats"
        repeat(20) {
            val found = node.find(wait = 1.seconds) {
                where(Filter.field("name") eq stats)
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
        val before = stats("runs", agent)
        if ("\$ID" in case.toString()) learnId(agent)
        val outcome = Outcome(id, filled(expectationOf(case)), to, node.nodeKey)
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

    private fun expectationOf(case: JsonObject): JsonElement = case["expect"]
        ?: JsonArray(case.getValue("steps").jsonArray.map { it.jsonObject.getValue("expect") })

    private suspend fun learnId(agent: String) {
        val name = "$to.$agent"
        agentId = node.peer { where(Filter.field("name") eq name) }.agentId
    }

    private suspend fun perform(case: JsonObject, agent: String, outcome: Outcome) {
        val action = case["action"]?.jsonObject ?: JsonObject(emptyMap())
        val steps = case["steps"]?.jsonArray.orEmpty()
        steps.forEachIndexed { n, step ->
            val own = mapOf("agent" to JsonPrimitive(agent), "request" to JsonObject(emptyMap()))
            outcome.one(n, attempt(JsonObject(own + step.jsonObject), 0))
        }
        when {
            steps.isNotEmpty() -> Unit
            "stream" in action -> outcome.one(0, stream(case))
            "cancelAfterMs" in action -> cancel(
                case,
                agent,
                action.number("cancelAfterMs"),
                outcome,
            )
            "parallel" in action -> outcome.one(0, parallel(case, action.number("parallel")))
            "repeat" in action -> repeat(action.number("repeat")) {
                outcome.one(it, attempt(case, it))
            }
            else -> outcome.one(0, attempt(case, 0))
        }
    }

    /** What a case does through the node besides asking, if it does. */
    private suspend fun operation(case: JsonObject): Attempt? {
        val action = case["action"]?.jsonObject.orEmpty()
        for ((word, value) in filled(JsonObject(action)).jsonObject) {
            when (word) {
                "send" -> return send(case)
                "check" -> return check(case, value.jsonPrimitive.content)
                "watch" -> return watch(case, value.jsonObject)
                else -> operations.run(word, value)?.let { return it }
            }
        }
        return null
    }

    private suspend fun send(case: JsonObject): Attempt {
        val response = node.send(target(case), content(case, 0)) { fill(case, 0) }
        response.rejection?.let { return Attempt.refused(it) }
        return Attempt.of(response.output ?: error("neither an answer nor a refusal"))
    }

    private suspend fun check(case: JsonObject, name: String): Attempt {
        val own = operations.ownAgent(name)
        val rejection = node.check(own, content(case, 0)) { fill(case, 0) }
        return rejection?.let { Attempt.refused(it) }
            ?: Attempt.of("value", JsonPrimitive("accepted"))
    }

    private suspend fun watch(case: JsonObject, query: JsonObject): Attempt {
        val asked = case.getValue("action").jsonObject.getValue("while").jsonArray
        val steps = asked.map { request ->
            val whole = JsonObject(case - "action" + ("request" to request))
            suspend { attempt(whole, 0).let {} }
        }
        return operations.watch(query, steps)
    }

    private fun content(case: JsonObject, n: Int): Content {
        val request = case.getValue("request").jsonObject
        return contentOf(filled(request["content"] ?: JsonObject(emptyMap()), n).jsonObject)
    }

    /** One request and what came of it. */
    private suspend fun attempt(case: JsonObject, n: Int): Attempt = try {
        operation(case) ?: Attempt.of(ask(case, n))
    } catch (failure: HublessException) {
        Attempt.of(failure)
    }

    private suspend fun ask(case: JsonObject, n: Int): Reply {
        val content = content(case, n)
        val query = case["action"]?.jsonObject?.get("toQuery")
            ?: return node.ask(target(case, n), content) { fill(case, n) }
        return node.ask(queryOf(filled(query).jsonObject), content) { fill(case, n) }
    }

    private suspend fun stream(case: JsonObject): Attempt {
        val chunks = ArrayList<JsonElement>()
        val notes = ArrayList<JsonElement>()
        var reply: Reply? = null
        node.events(target(case), content(case, 0)) { fill(case, 0) }.collect { item ->
            when (item) {
                is Chunk -> chunks.add(item.value ?: JsonPrimitive(item.text))
                is StreamItem.Progress -> notes.add(JsonPrimitive(item.note))
                is StreamItem.Final -> reply = item.reply
                is StreamItem.Accepted -> Unit
            }
        }
        val answer = reply ?: error("the stream ended without an answer")
        val pieces = mapOf("chunks" to JsonArray(chunks), "notes" to JsonArray(notes))
        return Attempt.of(answer, pieces)
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
        val given = HublessException(ErrorKind.CANCELLED, "cancelled by the caller")
        outcome.one(0, Attempt.of(given))
    }

    private suspend fun parallel(case: JsonObject, n: Int): Attempt = coroutineScope {
        val kinds = List(n) { async { attempt(case, it) } }.awaitAll().map { one ->
            one.seen["error"]?.jsonObject?.get("kind")?.jsonPrimitive?.content ?: "ok"
        }
        val counts = kinds.groupingBy { it }.eachCount().mapValues { JsonPrimitive(it.value) }
        Attempt.of("outcomes", JsonObject(counts))
    }

    private suspend fun stats(what: String, agent: String): Int {
        val stats = node.ask("$to.stats")
        key = stats.agent.nodeKey
        val counts = stats.value?.jsonObject?.getValue(what)?.jsonObject
        return counts?.get(agent)?.jsonPrimitive?.int ?: 0
    }

    private fun target(case: JsonObject, n: Int = 0): String =
        case["to"]?.let { filled(it, n).jsonPrimitive.content }
            ?: "$to.${case.getValue("agent").jsonPrimitive.content}"

    private fun RequestOptions.fill(case: JsonObject, n: Int) {
        options(filled(case.getValue("request"), n).jsonObject)
        val action = case["action"]?.jsonObject ?: return
        if ("tool" in action) addTool(action.getValue("tool").jsonPrimitive.content)
        action["input"]?.let { answer -> onInput { answer } }
    }

    /** Puts the values of placeholders in. */
    private fun filled(json: JsonElement, n: Int = 0): JsonElement = when (json) {
        is JsonObject -> JsonObject(
            json.entries.associate { (key, value) ->
                placeholder(key, n).jsonPrimitive.content to filled(value, n)
            },
        )
        is JsonArray -> JsonArray(json.map { filled(it, n) })
        is JsonPrimitive -> if (json.isString) placeholder(json.content, n) else json
    }

    private fun placeholder(text: String, n: Int): JsonElement =
        if (text == "\$DEEP") {
            (1..DEEP).fold(JsonArray(emptyList())) { inner, _ -> JsonArray(listOf(inner)) }
        } else if (text.startsWith(LONG)) {
            JsonPrimitive("x".repeat(text.removePrefix(LONG).toInt()))
        } else {
            val named = text.replace("\$TO", to).replace("\$RUN", run).replace("\$N", n.toString())
            val known = named.replace("\$KEY", key).replace("\$ID", agentId)
            JsonPrimitive(known.replace("\$D", (n % 10).toString()))
        }

    private fun JsonObject.number(name: String) = getValue(name).jsonPrimitive.int

    private companion object {
        /** Nesting of the value `$DEEP`, inside one more array. */
        const val DEEP = 99

        /** Begins a placeholder that stands for a text of so many letters. */
        const val LONG = "\$LONG"
    }
}
