package dev.hubless.internal

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
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** Writes user values: all fields, so that readers of other languages need no defaults of ours. */
internal val Writer: Json = Json {
    encodeDefaults = true
    // Refused by [utf8] instead, with the field and the same words wherever they come from.
    allowSpecialFloatingPointValues = true
    serializersModule = JdkModule
}

/** Reads user values: unknown fields are passed over, a missing nullable field is null. */
internal val Reader: Json = Json {
    ignoreUnknownKeys = true
    explicitNulls = false
    serializersModule = JdkModule
}

internal val emptyObject: JsonObject = JsonObject(emptyMap())

/** Whole milliseconds, away from zero: no time that was said becomes none. */
internal fun wholeMs(time: Duration): Long {
    val whole = time.inWholeMilliseconds
    return when {
        whole.milliseconds == time -> whole
        time.isNegative() -> whole - 1
        else -> whole + 1
    }
}

internal inline fun obj(fill: JsonObjectBuilder.() -> Unit): JsonObject = buildJsonObject(fill)

/** Writes a body; refuses what would not arrive as it was meant, by the field that holds it. */
internal fun utf8(body: JsonObject): ByteArray = try {
    val text = body.toString()
    // Only then is a look at every number worth its time.
    if ("NaN" in text || "Infinity" in text) refuseNonFinite(body)
    text.encodeToByteArray(throwOnInvalidSequence = true)
} catch (_: CharacterCodingException) {
    throw invalidArgument(fieldAtFault(body), "expected Unicode text, got a lone surrogate")
} catch (_: StackOverflowError) {
    throw tooDeep(fieldAtFault(body))
}

private fun refuseNonFinite(body: JsonObject) {
    val field = body.entries.firstOrNull { (_, value) -> holdsNonFinite(value) }?.key ?: return
    val message = "expected finite numbers, got NaN or an infinity: send null or a text instead"
    throw invalidArgument(field, message)
}

/** How `toString` of a number writes what JSON has no word for. */
private val nonFinite = setOf("NaN", "Infinity", "-Infinity")

private fun holdsNonFinite(element: JsonElement): Boolean = when (element) {
    is JsonObject -> element.values.any(::holdsNonFinite)
    is JsonArray -> element.any(::holdsNonFinite)
    is JsonPrimitive -> !element.isString && element.content in nonFinite
}

/** The field whose value cannot be written by itself either. */
private fun fieldAtFault(body: JsonObject): String {
    val faulty = body.entries.firstOrNull { (_, value) ->
        runCatching { value.toString().encodeToByteArray(throwOnInvalidSequence = true) }.isFailure
    }
    return faulty?.key ?: "body"
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
