package dev.hubless.conformance

import dev.hubless.HublessException
import dev.hubless.NetworkPath
import dev.hubless.Rejected
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.buildJsonArray
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.double
import kotlinx.serialization.json.doubleOrNull
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put

/** What one case wanted, what came, and whether that is the same. */
internal class Outcome(
    private val id: String,
    private val expect: JsonElement,
    private val to: String,
    private val ownKey: String,
) {
    private val faults = ArrayList<String>()
    private val got = ArrayList<JsonElement>()
    private var path: NetworkPath? = null
    private var peer: String? = null
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
        val wanted = (expect as? JsonArray)?.getOrNull(n) ?: expect
        note(attempt)
        compare(wanted.jsonObject, attempt)
    }

    fun stream(chunks: JsonArray, notes: JsonArray, attempt: Attempt) {
        note(attempt)
        got.add(chunks)
        val wanted = expect.jsonObject
        wanted["chunks"]?.let { if (!same(it, chunks)) fault("chunks differ") }
        wanted["notes"]?.let { if (!same(it, notes)) fault("notes differ: $notes") }
        wanted["value"]?.let { compare(JsonObject(mapOf("value" to it)), attempt) }
    }

    fun parallel(outcomes: Map<String, Int>) {
        val seen = JsonObject(outcomes.mapValues { JsonPrimitive(it.value) })
        got.add(seen)
        if (!same(expect.jsonObject.getValue("outcomes"), seen)) fault("outcomes differ")
    }

    fun found(names: List<String>) {
        got.add(JsonArray(names.map(::JsonPrimitive)))
        expect.jsonObject["first"]?.let {
            if (names.firstOrNull() != it.jsonPrimitive.content) fault("another came first")
        }
        if ("none" in expect.jsonObject && names.isNotEmpty()) fault("something was found")
    }

    private fun note(attempt: Attempt) {
        got.add(describe(attempt))
        val reply = attempt.reply ?: return
        path = reply.path
        peer = reply.agent.nodeKey
        if (reply.path == NetworkPath.IN_PROCESS) fault("the call did not leave the process")
        if (reply.agent.nodeKey == ownKey) fault("the peer has the runner's own node key")
    }

    private fun describe(attempt: Attempt): JsonElement = buildJsonObject {
        attempt.error?.let { error ->
            put("kind", error.kind.wire)
            put("code", error.code)
            put("message", error.message)
            put("field", error.field)
        }
        attempt.blob?.let { blob ->
            put("size", blob.size)
            put("sha256", blob.sha256)
            put("streamed", blob.streamed)
        }
        attempt.reply?.let { put("value", shortened(it.value ?: JsonNull)) }
    }

    private fun shortened(value: JsonElement): JsonElement {
        val text = value.toString()
        return if (text.length <=
            SHOWN_CHARACTERS
        ) {
            value
        } else {
            JsonPrimitive(text.take(SHOWN_CHARACTERS))
        }
    }

    private fun compare(wanted: JsonObject, attempt: Attempt) {
        val error = attempt.error
        if (error != null && "error" !in wanted) {
            fault("failed: $error")
            return
        }
        for ((name, value) in wanted) {
            when (name) {
                "error" -> compareError(value.jsonObject, error)
                "value" -> if (!same(value, attempt.value)) fault("value differs")
                "valueHas" -> value.jsonObject.forEach { (member, one) ->
                    if (!same(one, attempt.member(member))) fault("member $member differs")
                }
                "blob" -> compareBlob(value.jsonObject, attempt.blob)
                "text" -> if (attempt.reply?.text !=
                    value.jsonPrimitive.content
                ) {
                    fault("text differs")
                }
                "range" -> value.jsonObject.forEach { (member, bounds) ->
                    compareRange(member, bounds.jsonArray, attempt.member(member))
                }
                "at most" -> value.jsonObject.forEach { (member, most) ->
                    val number = attempt.member(member).jsonPrimitive.doubleOrNull
                    if (number == null ||
                        number > most.jsonPrimitive.double
                    ) {
                        fault("$member is $number")
                    }
                }
                "traceId" -> {
                    val trace = attempt.member("traceparent").jsonPrimitive.contentOrNull.orEmpty()
                    if (trace.split('-').getOrNull(1) !=
                        value.jsonPrimitive.content
                    ) {
                        fault("trace $trace")
                    }
                }
                else -> fault("the runner does not know the expectation $name")
            }
        }
    }

    private fun compareRange(member: String, bounds: JsonArray, value: JsonElement) {
        val number = (value as? JsonPrimitive)?.doubleOrNull
        val (low, high) = bounds.map { it.jsonPrimitive.double }
        if (number == null || number < low || number > high) fault("$member is $value")
    }

    private fun compareError(wanted: JsonObject, error: HublessException?) {
        if (error == null) {
            fault("no error came")
            return
        }
        for ((name, value) in wanted) {
            val text = value.jsonPrimitive.content
            val holds = when (name) {
                "kind" -> error.kind.wire == text
                "code" -> error.code == text
                "field" -> error.field == text
                "rejection" -> (error is Rejected) == value.jsonPrimitive.boolean
                "messageHas" -> text in error.message.orEmpty()
                else -> false
            }
            if (!holds) fault("$name of the error: expected $text")
        }
    }

    private fun compareBlob(wanted: JsonObject, blob: BlobSeen?) {
        if (blob == null) {
            fault("no blob came")
            return
        }
        if (blob.size != wanted.getValue("size").jsonPrimitive.int.toLong()) fault("size differs")
        if (blob.sha256 != wanted.getValue("sha256").jsonPrimitive.content) fault("digest differs")
        val streamed = wanted["streamed"]?.jsonPrimitive?.boolean ?: return
        if (blob.streamed != streamed) fault("streamed is ${blob.streamed}")
    }

    private val Attempt.value: JsonElement get() = reply?.value ?: JsonNull

    private fun Attempt.member(name: String): JsonElement =
        (value as? JsonObject)?.get(name) ?: JsonNull

    /** The line of the protocol. */
    fun json(): JsonObject = buildJsonObject {
        put("case", id)
        put("ok", ok)
        put("expected", expect)
        put("got", got.singleOrNull() ?: JsonArray(got))
        put("path", path?.name?.lowercase())
        put("peer", peer)
        put("to", to)
        put("runs", runs)
        put("ms", ms)
        if (!ok) put("faults", buildJsonArray { faults.forEach { add(JsonPrimitive(it)) } })
    }

    private companion object {
        const val SHOWN_CHARACTERS = 400

        /** Equal as JSON: numbers by value, members in any order. */
        fun same(a: JsonElement, b: JsonElement): Boolean = when {
            a is JsonObject && b is JsonObject ->
                a.keys == b.keys && a.all { (name, one) -> same(one, b.getValue(name)) }
            a is JsonArray && b is JsonArray ->
                a.size == b.size && a.zip(b).all { (one, other) -> same(one, other) }
            a is JsonPrimitive && b is JsonPrimitive && !a.isString && !b.isString ->
                a.content == b.content ||
                    (a.doubleOrNull != null && a.doubleOrNull == b.doubleOrNull)
            else -> a == b
        }
    }
}
