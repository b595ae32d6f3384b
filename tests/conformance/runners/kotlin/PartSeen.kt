package dev.hubless.conformance

import dev.hubless.Content
import dev.hubless.Part
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** What stands in content, in the form of the cases. */
internal fun partsSeen(content: Content): JsonElement = JsonArray(content.parts.map(::seen))

private fun seen(part: Part): JsonObject {
    val kind = when (part) {
        is Part.Text -> "text" to JsonPrimitive(part.text)
        is Part.Data -> "data" to part.value
        is Part.Link -> "uri" to said(
            "uri" to part.uri,
            "mediaType" to part.mediaType,
            "digest" to part.digest,
            "size" to part.size,
        )
        is Part.Blob -> "blob" to said("mediaType" to part.mediaType, "filename" to part.filename)
        is Part.Stream -> "blob" to said("mediaType" to part.mediaType, "filename" to part.filename)
    }
    val about = said("role" to part.role?.name?.lowercase(), "metadata" to part.metadata)
    return JsonObject(mapOf(kind) + about)
}

/** The members that are there. */
private fun said(vararg members: Pair<String, Any?>): JsonObject = JsonObject(
    members.mapNotNull { (name, value) ->
        when (value) {
            null -> null
            is JsonElement -> name to value
            is Number -> name to JsonPrimitive(value)
            else -> name to JsonPrimitive(value.toString())
        }
    }.toMap(),
)
