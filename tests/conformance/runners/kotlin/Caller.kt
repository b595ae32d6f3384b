package dev.hubless.conformance

import dev.hubless.Chunk
import dev.hubless.Content
import dev.hubless.ErrorKind
import dev.hubless.Filter
import dev.hubless.HublessException
import dev.hubless.Node
import dev.hubless.Reply
import dev.hubless.RequestOptions
import dev.hubless.Response
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
import kotlinx.serialization.json.boolean
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
    private lateinit var told: Reply
    private var agentId = ""
    private var patience = PATIENCE
    private var paying: CaseSwitch? = null
    private var kept = ""
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
        // A refusal does not say how it came: as the answer before it.
        outcome.came(told, "stats")
        val ambient = case["ambient"]?.jsonPrimitive?.boolean == true
        patience = case["patienceMs"]?.jsonPrimitive?.int?.milliseconds ?: PATIENCE
        val switch = case["switch"]?.let { CaseSwitch(it.jsonObject, ambient, patience) }
        paying = switch
        try {
            perform(case, agent, outcome)
            outcome.paid(switch)
        } catch (failure: Exception) {
            outcome.fault("the runner failed: $failure")
        } finally {
            switch?.close()
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
        agentId = node.peer(wait = PATIENCE) { where(Filter.field("name") eq name) }.agentId
    }

    private suspend fun perform(case: JsonObject, agent: String, outcome: Outcome) {
        val action = case["action"]?.jsonObject ?: JsonObject(emptyMap())
        val steps = case["steps"]?.jsonArray.orEmpty()
        steps.forEachIndexed { n, step ->
            val own = mapOf("agent" to JsonPrimitive(agent), "request" to JsonObject(emptyMap()))
            val came = attempt(JsonObject(own + step.jsonObject), 0)
            outcome.one(n, came)
            if ("keep" in step.jsonObject) kept = keptOf(came)
        }
        when {
            steps.isNotEmpty() -> Unit
            "stream" in action -> outcome.one(0, stream(case))
            "tripAfterMs" in action -> trip(case, agent, action.number("tripAfterMs"), outcome)
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

    /** The text of an answer, or the first of the agents that an ambiguous name may mean. */
    private fun keptOf(came: Attempt): String {
        val candidates = came.seen["error"]?.jsonObject?.get("candidates")?.jsonArray
        return candidates?.firstOrNull()?.jsonPrimitive?.content ?: came.reply?.text.orEmpty()
    }

    /** What a case does through the node besides asking, if it does. */
    private suspend fun operation(case: JsonObject): Attempt? {
        val action = case["action"]?.jsonObject.orEmpty()
        for ((word, value) in filled(JsonObject(action)).jsonObject) {
            when (word) {
                "send" -> return send(case)
                "sendShort" -> return sendShort(case)
                "check" -> return check(case, value.jsonPrimitive.content)
                "watch" -> return watch(case, value.jsonObject)
                else -> operations.run(word, value, patience)?.let { return it }
            }
        }
        return null
    }

    private suspend fun send(case: JsonObject): Attempt {
        return answered(node.send(target(case), content(case, 0)) { fill(case, 0) })
    }

    private suspend fun sendShort(case: JsonObject): Attempt {
        val said = filled(case.getValue("request")).jsonObject
        return answered(node.send(shortOf(target(case), said)))
    }

    private suspend fun answered(response: Response): Attempt {
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
        paid { operation(case) ?: Attempt.of(ask(case, n)) }
    } catch (failure: HublessException) {
        Attempt.of(failure)
    }

    private suspend fun <T> paid(block: suspend () -> T): T = paying?.around(block) ?: block()

    private suspend fun ask(case: JsonObject, n: Int): Reply {
        val content = content(case, n)
        val query = case["action"]?.jsonObject?.get("toQuery")
            ?: return node.ask(target(case, n), content) { fill(case, n) }
        return node.ask(queryOf(filled(query).jsonObject), content) { fill(case, n) }
    }

    private suspend fun stream(case: JsonObject): Attempt = try {
        paid { streamed(case) }
    } catch (failure: HublessException) {
        Attempt.of(failure)
    }

    private suspend fun streamed(case: JsonObject): Attempt {
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

    /** Cancels the coroutine that asks so long after its handler began; sees that one cancelled. */
    private suspend fun cancel(case: JsonObject, agent: String, afterMs: Int, outcome: Outcome) {
        val runs = stats("runs", agent)
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
            grown("runs", agent, runs)
            delay(afterMs.milliseconds)
            asking.cancelAndJoin()
        }
        if (!stopped) outcome.fault("the caller was not cancelled")
        sawCancelled(agent, before, outcome)
        val given = HublessException(ErrorKind.CANCELLED, "cancelled by the caller")
        outcome.one(0, Attempt.of(given))
    }

    /** Trips the switch of the case so long after its handler began; sees that one cancelled. */
    private suspend fun trip(case: JsonObject, agent: String, afterMs: Int, outcome: Outcome) {
        val runs = stats("runs", agent)
        val before = stats("cancelled", agent)
        val attempt = coroutineScope {
            val asking = async { attempt(case, 0) }
            grown("runs", agent, runs)
            delay(afterMs.milliseconds)
            paying?.trip()
            asking.await()
        }
        sawCancelled(agent, before, outcome)
        outcome.one(0, attempt)
    }

    private suspend fun sawCancelled(agent: String, before: Int, outcome: Outcome) {
        val times = grown("cancelled", agent, before)
        if (times != 1) outcome.fault("the handler was cancelled $times times")
    }

    /** By how much a count of the other process has grown, which is waited for. */
    private suspend fun grown(what: String, agent: String, before: Int): Int {
        val began = TimeSource.Monotonic.markNow()
        while (stats(what, agent) <= before && began.elapsedNow() < PATIENCE) delay(20)
        return stats(what, agent) - before
    }

    private suspend fun parallel(case: JsonObject, n: Int): Attempt = coroutineScope {
        val attempts = List(n) { async { attempt(case, it) } }.awaitAll()
        val errors = attempts.map { it.seen["error"]?.jsonObject }
        val kinds = errors.map { it?.get("kind")?.jsonPrimitive?.content ?: "ok" }
        val words = errors.zip(kinds) { error, kind ->
            val code = error?.get("code")?.jsonPrimitive?.content.orEmpty()
            if (code.isEmpty()) kind else "$kind/$code"
        }
        Attempt(JsonObject(mapOf("outcomes" to counted(words), "kinds" to counted(kinds))))
    }

    private fun counted(words: List<String>) =
        JsonObject(words.groupingBy { it }.eachCount().mapValues { JsonPrimitive(it.value) })

    private suspend fun stats(what: String, agent: String): Int {
        val stats = node.ask("$to.stats")
        told = stats
        val counts = stats.value?.jsonObject?.getValue(what)?.jsonObject
        return counts?.get(agent)?.jsonPrimitive?.int ?: 0
    }

    private fun target(case: JsonObject, n: Int = 0): String =
        case["to"]?.let { filled(it, n).jsonPrimitive.content }
            ?: "$to.${case.getValue("agent").jsonPrimitive.content}"

    private fun RequestOptions.fill(case: JsonObject, n: Int) {
        options(filled(case.getValue("request"), n).jsonObject)
        paying?.pay(this)
        val action = case["action"]?.jsonObject ?: return
        action["tool"]?.let { name ->
            val times = action["times"]?.jsonPrimitive?.int ?: 1
            repeat(times) { addTool(name.jsonPrimitive.content) }
        }
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
            val seen = named.replace("\$KEY", told.agent.nodeKey).replace("\$ID", agentId)
            val known = seen.replace("\$KEPT", kept)
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
