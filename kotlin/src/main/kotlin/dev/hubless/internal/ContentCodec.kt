package dev.hubless.internal

import dev.hubless.Content
import dev.hubless.Part
import dev.hubless.Role
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Job
import kotlinx.coroutines.currentCoroutineContext
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
        val opened = session.call("body.open", obj { some("size", part.size) })
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
     * Runs [block] while the streamed bodies are written, and goes on writing after it, because an
     * answer may begin before the question has ended; waits for that if [toTheEnd]. When the block
     * fails, what is unwritten is given up. The core ends a writer that nobody reads any more.
     */
    suspend fun <T> whileWriting(toTheEnd: Boolean, block: suspend () -> T): T {
        if (bodies.isEmpty()) return block()
        val context = offThePullThread(currentCoroutineContext().minusKey(Job))
        val writers = bodies.map { session.background.launch(context) { writeQuietly(it) } }
        try {
            val result = block()
            if (toTheEnd) writers.joinAll()
            return result
        } catch (failure: Throwable) {
            writers.forEach { it.cancel() }
            // What was written to its end is in no message.
            bodies.forEach { it.giveUp() }
            throw failure
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
    json.child("stream")?.let { return streamOf(it, metadata) }
    // Last, because the part of a chunk has its text beside what it is.
    return json.text("text")?.let { Part.Text(it, role, metadata) }
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
