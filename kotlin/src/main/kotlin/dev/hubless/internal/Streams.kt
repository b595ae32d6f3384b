package dev.hubless.internal

import dev.hubless.Effect
import dev.hubless.NetworkPath
import dev.hubless.Node
import dev.hubless.Peer
import dev.hubless.PeerDetails
import dev.hubless.PublishedSkill
import dev.hubless.RankSignal
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.FlowCollector
import kotlinx.coroutines.flow.flow
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put
import kotlin.time.Duration.Companion.microseconds

/** An item of a stream, and the attachments that its parts name. */
internal typealias Item = Pair<JsonObject, List<ByteArray>>

/** Opens a stream of the core when collected, and drops it when collection ends early. */
internal fun Node.pullStream(op: String, body: suspend () -> JsonObject): Flow<Item> = flow {
    val opened = session.call(op, body())
    pull(session, opened.body.long("stream") ?: 0)
}

/** Emits the items of an open stream to its end. */
internal suspend fun FlowCollector<Item>.pull(session: Session, stream: Long) {
    val next = obj { put("stream", stream) }
    var ended = false
    try {
        while (!ended) {
            val event = session.call("stream.next", next)
            val end = event.body.flag("end")
            if (end) ended = true
            for (item in event.body.objects("items")) emit(item to event.attachments)
        }
    } finally {
        // A failed stream is gone as well; to drop it once more does no harm.
        if (!ended) session.post("stream.drop", next)
    }
}

/** Reads the Found of the contract. */
internal fun Node.peerOf(json: JsonObject): Peer = Peer(
    node = this,
    agentId = json.text("agentId").orEmpty(),
    address = json.text("address").orEmpty(),
    name = json.text("name").orEmpty(),
    about = PeerDetails(
        title = json.text("title"),
        description = json.text("description").orEmpty(),
        version = json.text("version"),
        nodeKey = json.text("nodeKey").orEmpty(),
        tags = json.texts("tags").toSet(),
        skills = json.objects("skills").map(::skillOf),
        requiresAuth = json.flag("requiresAuth"),
        stored = json.flag("stored"),
        transient = json.flag("transient"),
        needs = json.present("needs"),
        score = json.double("score") ?: 0.0,
        path = NetworkPath.of(json.text("path")),
        latency = json.long("latencyUs")?.microseconds,
        explain = json.objects("explain").map(::signalOf),
    ),
)

private fun skillOf(json: JsonObject): PublishedSkill = PublishedSkill(
    id = json.text("id").orEmpty(),
    title = json.text("title"),
    description = json.text("description").orEmpty(),
    tags = json.texts("tags").toSet(),
    effect = Effect.entries.firstOrNull { it.name == json.text("effect") } ?: Effect.AT_MOST_ONCE,
    attributes = json.child("attributes") ?: emptyObject,
    json = json,
)

private fun signalOf(json: JsonObject): RankSignal = RankSignal(
    signal = json.text("signal").orEmpty(),
    value = json.double("value") ?: 0.0,
    weight = json.double("weight") ?: 0.0,
)
