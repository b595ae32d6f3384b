package dev.hubless.conformance

import dev.hubless.ErrorDetails
import dev.hubless.HublessException
import dev.hubless.Rejected
import dev.hubless.Reply
import dev.hubless.Retry
import dev.hubless.Usage
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put

/**
 * What came of one request.
 *
 * @property seen what expectations speak about, by word
 * @property reply the answer, if there was one
 */
internal class Attempt(val seen: JsonObject, val reply: Reply? = null) {
    companion object {
        /** Reads an answer, the bytes of its blob included; [more] is seen besides. */
        suspend fun of(reply: Reply, more: Map<String, JsonElement> = emptyMap()): Attempt {
            val blob = reply.content.binaries.firstOrNull()?.let { BlobSeen.of(it) }
            val answer = buildJsonObject {
                put("value", reply.value ?: JsonNull)
                put("text", reply.text)
                put("usage", reply.usage.json())
                put("tracedAs", reply.traceId)
                put("parts", partsSeen(reply.content))
                put("metadata", reply.content.metadata)
                blob?.let { put("blob", it.json()) }
            }
            return Attempt(JsonObject(answer + more), reply)
        }

        /** An error instead of an answer. */
        fun of(error: HublessException) = of("error", error.fields())

        /** A refusal that came as data. */
        fun refused(refusal: ErrorDetails) = of("rejection", refusal.fields())

        /** One thing seen. */
        fun of(word: String, value: JsonElement) = Attempt(JsonObject(mapOf(word to value)))

        /** Names of what was found. */
        fun found(names: List<String>) = of("found", JsonArray(names.map(::JsonPrimitive)))
    }
}

private fun Usage.json() = buildJsonObject {
    put("inputTokens", inputTokens)
    put("outputTokens", outputTokens)
    put("costMicros", costMicros)
    put("calls", calls)
    put("chargedInFull", chargedInFull)
}

private fun BlobSeen.json() = buildJsonObject {
    put("size", size)
    put("sha256", sha256)
    put("streamed", streamed)
}

private fun HublessException.fields(): JsonObject =
    JsonObject(details.fields() + ("rejection" to JsonPrimitive(this is Rejected)))

private fun ErrorDetails.fields() = buildJsonObject {
    put("kind", kind.wire)
    put("code", code.orEmpty())
    put("message", message)
    put("field", field)
    put("pointer", pointer)
    put("retry", retryWord())
    (retry as? Retry.After)?.let { put("retryAfterMs", it.delay.inWholeMilliseconds) }
    put("limit", limitRecord())
    put("origin", origin)
    put("traceId", traceId)
    put("candidates", JsonArray(candidates.map(::JsonPrimitive)))
}

private fun ErrorDetails.limitRecord(): JsonElement {
    val reached = limit ?: return JsonNull
    return buildJsonObject {
        put("name", reached.name)
        put("value", reached.value)
    }
}

private fun ErrorDetails.retryWord() = when (retry) {
    is Retry.After -> "after"
    Retry.Later -> "later"
    Retry.Never -> "never"
}
