package dev.hubless.internal

import dev.hubless.Answerer
import dev.hubless.Chunk
import dev.hubless.NetworkPath
import dev.hubless.Reply
import dev.hubless.Response
import dev.hubless.StreamItem
import dev.hubless.Timing
import dev.hubless.Usage
import kotlinx.serialization.json.JsonObject
import kotlin.time.Duration
import kotlin.time.Duration.Companion.microseconds

/** Reads the Reply of the contract. */
internal fun Session.replyOf(json: JsonObject, attachments: List<ByteArray>): Reply {
    val agent = json.child("agent") ?: emptyObject
    return Reply(
        content = contentOf(json.child("content") ?: emptyObject, attachments),
        usage = usageOf(json.child("usage")),
        timing = timingOf(json.child("timing") ?: emptyObject),
        agent = Answerer(
            agentId = agent.text("agentId").orEmpty(),
            name = agent.text("name").orEmpty(),
            nodeKey = agent.text("nodeKey").orEmpty(),
        ),
        path = NetworkPath.of(json.text("path")),
        attempts = json.long("attempts")?.toInt() ?: 1,
        traceId = json.text("traceId").orEmpty(),
    )
}

/** Reads the result of `send`. */
internal fun Session.responseOf(json: JsonObject, attachments: List<ByteArray>): Response =
    Response(
        output = json.child("output")?.let { replyOf(it, attachments) },
        rejection = json.child("rejection")?.let { errorOf(it).details },
        usage = usageOf(json.child("usage")),
    )

/** Reads one StreamItem; null for a kind not known here. */
internal fun Session.streamItemOf(json: JsonObject, attachments: List<ByteArray>): StreamItem? {
    json.child("progress")?.let {
        return StreamItem.Progress(it.text("note").orEmpty(), it.double("fraction"))
    }
    json.child("chunk")?.let { chunk ->
        val part = partOf(chunk.child("part") ?: emptyObject, attachments) ?: return null
        return Chunk(part, chunk.flag("append"))
    }
    json.child("final")?.let { return StreamItem.Final(replyOf(it, attachments)) }
    return if (json.flag("accepted")) StreamItem.Accepted else null
}

private fun usageOf(json: JsonObject?): Usage = Usage(
    inputTokens = json?.long("inputTokens") ?: 0,
    outputTokens = json?.long("outputTokens") ?: 0,
    costMicros = json?.long("costMicros") ?: 0,
    calls = json?.long("calls") ?: 0,
    byModel = json?.child("byModel").orEmpty(),
    chargedInFull = json?.flag("chargedInFull") ?: false,
)

private fun timingOf(json: JsonObject): Timing = Timing(
    queue = json.micros("queueUs"),
    handler = json.micros("handlerUs"),
    network = json.micros("networkUs"),
)

private fun JsonObject.micros(name: String): Duration = (long(name) ?: 0).microseconds
