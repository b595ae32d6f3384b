package dev.hubless.conformance

import dev.hubless.Context
import dev.hubless.ContextEntry
import dev.hubless.ContextPage
import dev.hubless.Part
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put

/** The whole of a context as it came, by the names of the wire; see `context` in `SUBJECT.md`. */
internal fun seenOf(given: Context?): JsonElement {
    val context = given ?: Context()
    return buildJsonObject {
        put("keys", JsonArray(context.entries.map { JsonPrimitive(it.key) }))
        put("entries", entriesSeen(context.entries))
        put("pages", JsonArray(context.pages.map(::pageSeen)))
        put("history", JsonArray(context.history.map(::turnSeen)))
        put("explanation", context.explanation)
        put("descriptions", JsonObject(context.descriptions.mapValues { JsonPrimitive(it.value) }))
    }
}

private fun pageSeen(page: ContextPage) = buildJsonObject {
    put("name", page.name)
    put("entries", entriesSeen(page.entries))
}

private fun entriesSeen(entries: List<ContextEntry>) = JsonArray(
    entries.map { entry ->
        buildJsonObject {
            put("key", entry.key)
            putSaid(entry.text, entry.data)
            put("weight", entry.weight)
            put("links", JsonArray(entry.links.map(::JsonPrimitive)))
        }
    },
)

private fun turnSeen(turn: Part) = buildJsonObject {
    putSaid((turn as? Part.Text)?.text, (turn as? Part.Data)?.value)
    put("role", turn.role?.name?.lowercase())
}

private fun JsonObjectBuilder.putSaid(text: String?, data: JsonElement?) {
    if (text == null) put("data", data ?: JsonNull) else put("text", text)
}
