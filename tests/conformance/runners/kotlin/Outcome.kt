package dev.hubless.conformance

import dev.hubless.NetworkPath
import dev.hubless.Reply
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonArray
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.put

/** What one case wanted, what came, and whether that is the same. */
internal class Outcome(
    private val id: String,
    private val expect: JsonElement,
    private val to: String,
    private val ownKey: String,
) {
    private val faults = ArrayList<String>()
    private val seen = ArrayList<JsonObject>()
    private var path: NetworkPath? = null
    private var peer: String? = null
    private var wayOf: String? = null
    private var runs: Int? = null
    var ms: Long = 0

    val ok: Boolean get() = faults.isEmpty()

    fun fault(text: String) {
        faults.add(text)
    }

    fun runs(seen: Int, wanted: Int) {
        runs = seen
        if (seen != wanted) fault("the handler ran $seen times, expected $wanted")
    }

    /** Compares the [n]th attempt with what was expected of it. */
    fun one(n: Int, attempt: Attempt) {
        note(attempt)
        val wanted = if (expect is JsonArray) expect.getOrNull(n) else expect
        if (wanted == null) fault("nothing was expected of attempt $n")
        wanted?.let { faults.addAll(differences(it.jsonObject, attempt.seen)) }
    }

    /** Compares what came of the switch of the case with what was expected of it. */
    suspend fun paid(switch: CaseSwitch?) {
        val wanted = if (expect is JsonArray) expect else listOf(expect)
        wanted.forEachIndexed { n, one ->
            faults.addAll(unpaid(one.jsonObject, seen.getOrNull(n), switch))
        }
    }

    private fun note(attempt: Attempt) {
        seen.add(attempt.seen)
        attempt.reply?.let { came(it, "answer") }
    }

    /** Notes the way that an answer came, and [of] which call it was. */
    fun came(reply: Reply, of: String) {
        wayOf = of
        path = reply.path
        peer = reply.agent.nodeKey
        if (reply.path == NetworkPath.IN_PROCESS) fault("the call did not leave the process")
        if (reply.agent.nodeKey == ownKey) fault("the peer has the runner's own node key")
    }

    /** Cuts long texts: a report is to be read. */
    private fun shortened(value: JsonElement): JsonElement = when (value) {
        is JsonObject -> JsonObject(value.mapValues { shortened(it.value) })
        is JsonArray -> JsonArray(value.map(::shortened))
        is JsonPrimitive ->
            if (value.isString) JsonPrimitive(value.content.take(SHOWN_CHARACTERS)) else value
    }

    /** The line of the protocol. */
    fun json(): JsonObject = buildJsonObject {
        put("case", id)
        put("ok", ok)
        put("expected", shortened(expect))
        val got = seen.map(::shortened)
        put("got", got.singleOrNull() ?: JsonArray(got))
        put("path", path?.name?.lowercase())
        put("peer", peer)
        put("wayOf", wayOf)
        put("to", to)
        put("runs", runs)
        put("ms", ms)
        if (!ok) put("faults", buildJsonArray { faults.forEach { add(JsonPrimitive(it)) } })
    }

    private companion object {
        const val SHOWN_CHARACTERS = 400
    }
}
