package dev.hubless.internal

import dev.hubless.Content
import dev.hubless.Part
import dev.hubless.Role
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.put

/** Content on its way into the core: the JSON of it, its attachments and its streamed bodies. */
internal class Outgoing(private val session: Session) {
    val attachments: MutableList<ByteArray> = ArrayList()
    private val bodies = ArrayList<LeavingBody>()

    /** Encodes content; opens a body for each streamed part. */
    suspend fun content(content: Content): JsonObject {
        val parts = content.parts.map { part(it) }
        return obj {
            put("parts", JsonArray(parts))
            if (content.metadata.isNotEmpty()) put("metadata", content.metadata)
        }
    }

    /** Encodes one part; opens a body for a streamed one. */
    suspend fun part(part: Part): JsonObject {
        val inner = when (part) {
            is Part.Text -> "text" to JsonPrimitive(part.text)

            is Part.Data -> "data" to part.value

            is Part.Blob -> "blob" to obj {
                put("mediaType", part.mediaType)
                some("filename", part.filename)
                put("attachment", attachments.size)
                attachments.add(part.data)
            }

            is Part.Link -> "uri" to obj {
                put("uri", part.uri)
                some("mediaType", part.mediaType)
                some("digest", part.digest)
                some("size", part.size)
            }

            is Part.Stream -> "stream" to stream(part)
        }
        return obj {
            put(inner.first, inner.second)
            some("role", part.role?.wire)
            some("metadata", part.metadata)
        }
    }

    private suspend fun stream(part: Part.Stream): JsonObject {
        val opened = session.call(
            "body.open",
            obj { some("size", part.size) },
            hooks = Hooks(onOrphan = { session.post("body.drop", it.body) }),
        )
        val body = opened.body.long("body") ?: 0
        bodies.add(LeavingBody(session, body, part.reader()))
        return obj {
            put("kind", "blob")
            put("mediaType", part.mediaType)
            some("filename", part.filename)
            some("size", part.size)
            some("sha256", part.sha256)
            put("body", body)
        }
    }

    /**
     * Runs [block] while the streamed bodies are written. When it ends first, what is unwritten is
     * given up, unless [toTheEnd].
     */
    suspend fun <T> whileWriting(toTheEnd: Boolean, block: suspend () -> T): T {
        if (bodies.isEmpty()) return block()
        return coroutineScope {
            val writers = bodies.map { launch { writeQuietly(it) } }
            try {
                block().also { if (toTheEnd) writers.joinAll() }
            } finally {
                writers.forEach { it.cancelAndJoin() }
            }
        }
    }

    /** A body that fails is told to the core, whose answer to the call then says so. */
    private suspend fun writeQuietly(body: LeavingBody) {
        try {
            body.pump()
        } catch (stopped: CancellationException) {
            throw stopped
        } catch (failure: Exception) {
            Log.handlers.debug("a streamed part was not written to its end", failure)
        }
    }
}

/** Reads content that came out of the core. */
internal fun Session.contentOf(json: JsonObject, attachments: List<ByteArray>): Content = Content(
    parts = json.objects("parts").mapNotNull { partOf(it, attachments) },
    metadata = json.child("metadata") ?: emptyObject,
)

/** Reads one part that came out of the core; null for a kind of part not known here. */
internal fun Session.partOf(json: JsonObject, attachments: List<ByteArray>): Part? {
    val role = Role.of(json.text("role"))
    val metadata = json.child("metadata")
    json["text"]?.let { return Part.Text(json.text("text").orEmpty(), role, metadata) }
    json["data"]?.let { return Part.Data(it, role, metadata) }
    json.child("blob")?.let { blob ->
        val index = blob.long("attachment")?.toInt() ?: -1
        val bytes = attachments.getOrNull(index) ?: throw missingAttachment()
        return Part.Blob(mediaType(blob), bytes, blob.text("filename"), metadata)
    }
    json.child("uri")?.let { link ->
        val (type, digest) = link.text("mediaType") to link.text("digest")
        return Part.Link(link.text("uri").orEmpty(), type, digest, link.long("size"), metadata)
    }
    return json.child("stream")?.let { streamOf(it, metadata) }
}

private fun Session.streamOf(stream: JsonObject, metadata: JsonObject?): Part = Part.Stream(
    mediaType = mediaType(stream),
    filename = stream.text("filename"),
    size = stream.long("size"),
    sha256 = stream.text("sha256"),
    metadata = metadata,
    source = ArrivingBody(this, stream.long("body") ?: 0),
)

private fun mediaType(json: JsonObject): String =
    json.text("mediaType") ?: "application/octet-stream"
