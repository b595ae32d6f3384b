package dev.hubless.internal

import dev.hubless.ErrorKind
import dev.hubless.HublessException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.doubleOrNull
import kotlinx.serialization.json.longOrNull

/** Writes user values: all fields, so that readers of other languages need no defaults of ours. */
internal val Writer: Json = Json {
    encodeDefaults = true
    serializersModule = JdkModule
}

/** Reads user values: unknown fields are passed over, a missing nullable field is null. */
internal val Reader: Json = Json {
    ignoreUnknownKeys = true
    explicitNulls = false
    serializersModule = JdkModule
}

internal val emptyObject: JsonObject = JsonObject(emptyMap())

internal inline fun obj(fill: JsonObjectBuilder.() -> Unit): JsonObject = buildJsonObject(fill)

/** Writes a body; refuses what would not arrive as it was meant. */
internal fun utf8(body: JsonObject): ByteArray = try {
    body.toString().encodeToByteArray(throwOnInvalidSequence = true)
} catch (_: CharacterCodingException) {
    throw invalidArgument("body", "expected Unicode text, got a lone surrogate")
} catch (_: StackOverflowError) {
    throw HublessException(ErrorKind.JSON, "expected JSON of at most 64 levels", code = "too_deep")
}

internal fun parseObject(bytes: ByteArray): JsonObject =
    if (bytes.isEmpty()) emptyObject else Json.parseToJsonElement(String(bytes)) as JsonObject

internal fun JsonObject.text(name: String): String? =
    (this[name] as? JsonPrimitive)?.contentOrNull

internal fun JsonObject.long(name: String): Long? = (this[name] as? JsonPrimitive)?.longOrNull

internal fun JsonObject.double(name: String): Double? = (this[name] as? JsonPrimitive)?.doubleOrNull

internal fun JsonObject.flag(name: String): Boolean =
    (this[name] as? JsonPrimitive)?.booleanOrNull ?: false

internal fun JsonObject.child(name: String): JsonObject? = this[name] as? JsonObject

internal fun JsonObject.list(name: String): List<JsonElement> =
    (this[name] as? JsonArray).orEmpty()

internal fun JsonObject.objects(name: String): List<JsonObject> =
    list(name).filterIsInstance<JsonObject>()

internal fun JsonObject.texts(name: String): List<String> =
    list(name).mapNotNull { (it as? JsonPrimitive)?.contentOrNull }

internal fun JsonObject.present(name: String): JsonElement? = this[name]?.takeIf { it !is JsonNull }

internal fun textArray(texts: Iterable<String>): JsonArray = JsonArray(texts.map(::JsonPrimitive))

/** Puts what is there and leaves out what is null. */
internal fun JsonObjectBuilder.some(name: String, value: Any?) {
    when (value) {
        null -> Unit
        is JsonElement -> put(name, value)
        is String -> put(name, JsonPrimitive(value))
        is Number -> put(name, JsonPrimitive(value))
        is Boolean -> put(name, JsonPrimitive(value))
        is Collection<*> -> if (value.isNotEmpty()) put(name, textArray(value.map(Any?::toString)))
        else -> error("invariant: $name is JSON, text, a number, a flag or a list of texts")
    }
}
