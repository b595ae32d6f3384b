package dev.hubless.internal

import dev.hubless.Content
import dev.hubless.Part
import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.serializerOrNull
import java.lang.reflect.Type

/** Makes content of a value of the user's: the whole rule of what becomes what. */
internal fun contentOfValue(value: Any?): Content = when (value) {
    is Content -> value
    is Part -> Content.of(value)
    null, is Unit -> Content(emptyList())
    is String -> Content.text(value)
    is ByteArray -> Content.of(Part.Blob("application/octet-stream", value))
    else -> Content.of(Part.Data(jsonOfValue(value)))
}

/** Makes content of what is streamed, where null is a value like any other. */
internal fun pieceOfValue(value: Any?): Content =
    if (value == null) Content.of(Part.Data(JsonNull)) else contentOfValue(value)

/** Makes JSON of a value by its run-time type. */
internal fun jsonOfValue(value: Any?): JsonElement = writing { elementOf(value) }

/** Says as an error of ours what cannot be written, and what is too deep to be. */
private inline fun writing(write: () -> JsonElement): JsonElement = try {
    write()
} catch (failure: SerializationException) {
    throw invalidArgument("content", "cannot be written as JSON: ${failure.message}")
} catch (_: StackOverflowError) {
    throw tooDeep("content")
}

private fun elementOf(value: Any?): JsonElement = when (value) {
    null -> JsonNull
    is JsonElement -> value
    is String -> JsonPrimitive(value)
    is Number -> if (value.javaClass in jdkSerializers) typed(value) else JsonPrimitive(value)
    is Boolean -> JsonPrimitive(value)
    is Map<*, *> -> objectOf(value)
    is Iterable<*> -> JsonArray(value.map(::elementOf))
    is Array<*> -> JsonArray(value.map(::elementOf))
    is IntArray -> JsonArray(value.map(::JsonPrimitive))
    is LongArray -> JsonArray(value.map(::JsonPrimitive))
    is DoubleArray -> JsonArray(value.map(::JsonPrimitive))
    else -> typed(value)
}

/** Keys of JSON are texts: what would lose an entry as one is refused. */
private fun objectOf(map: Map<*, *>): JsonObject {
    val members = LinkedHashMap<String, JsonElement>()
    for ((key, value) in map) {
        val name = key?.toString() ?: throw invalidArgument(
            "content",
            "expected keys that are texts, got null",
        )
        if (members.put(name, elementOf(value)) != null) {
            throw invalidArgument("content", "expected one key that is written \"$name\", got two")
        }
    }
    return JsonObject(members)
}

private fun typed(value: Any): JsonElement =
    Writer.encodeToJsonElement(serializerOf(value.javaClass), value)

/**
 * Finds how values of a type travel: its own `@Serializable` form, a type of the JDK, a Java record
 * or enum, or a collection of those.
 */
internal fun serializerOf(type: Type): KSerializer<Any> {
    @Suppress("UNCHECKED_CAST")
    val found = (jvmSerializer(type) ?: Reader.serializersModule.serializerOrNull(type))
        as KSerializer<Any>?
    return found ?: throw invalidArgument(
        "type",
        "${type.typeName} is neither @Serializable nor a record, an enum or a collection of those",
    )
}

/** How one static type of the user's is read, written and described. */
@PublishedApi
internal class Shape<T>(val type: Class<*>, find: () -> KSerializer<T>) {
    private val serializer by lazy(LazyThreadSafetyMode.PUBLICATION) { find() }

    /** Whether values go through as they are, without any JSON of ours. */
    private val plain: Boolean
        get() = type == Content::class.java || type == String::class.java ||
            type == Unit::class.java || type == ByteArray::class.java ||
            type == Any::class.java || type == Void::class.java ||
            JsonElement::class.java.isAssignableFrom(type)

    /** The JSON schema of the type; null where any content fits. */
    fun schema(): JsonObject? = if (plain) null else schemaOf(serializer.descriptor)

    /** Reads a value out of content. */
    @Suppress("UNCHECKED_CAST")
    suspend fun read(content: Content, operation: String): T = when (type) {
        Content::class.java -> content as T
        String::class.java -> textOf(content) as T
        Unit::class.java, Void::class.java -> Unit as T
        ByteArray::class.java -> bytesOf(content, operation) as T
        else -> decode(content.value ?: absent(content), operation)
    }

    /** Reads a value out of JSON. */
    @Suppress("UNCHECKED_CAST")
    fun decode(json: JsonElement, operation: String): T = try {
        when {
            type == String::class.java && json is JsonPrimitive && json !is JsonNull ->
                json.content as T
            type == Any::class.java -> json as T
            JsonElement::class.java.isAssignableFrom(type) -> type.cast(json) as T
            type == Unit::class.java || type == Void::class.java -> Unit as T
            else -> Reader.decodeFromJsonElement(serializer, json)
        }
    } catch (failure: SerializationException) {
        throw decodeError(operation, failure)
    } catch (failure: IllegalArgumentException) {
        throw decodeError(operation, failure)
    } catch (failure: ClassCastException) {
        throw decodeError(operation, failure)
    }

    /** Writes a value by its static type, so that a sealed type keeps its discriminator. */
    fun write(value: T): Content = when {
        plain || value == null || value is Content || value is Part -> contentOfValue(value)
        else -> contentOfJson(writeJson(value))
    }

    /** The same of what is streamed, where null is a value like any other. */
    fun piece(value: T): Content = if (value == null) pieceOfValue(null) else write(value)

    private fun writeJson(value: T): JsonElement =
        writing { Writer.encodeToJsonElement(serializer, value) }

    private fun contentOfJson(json: JsonElement): Content =
        if (json is JsonPrimitive && json.isString) {
            Content.text(json.content)
        } else {
            Content.of(Part.Data(json))
        }

    private fun textOf(content: Content): String =
        (content.value as? JsonPrimitive)?.takeIf { it !is JsonNull }?.content
            ?: content.value?.toString()
            ?: content.text

    private suspend fun bytesOf(content: Content, operation: String): ByteArray {
        val only = content.binaries.singleOrNull()
        if (only != null) return only.bytes()
        throw decodeError(operation, SerializationException("expected one blob, got $content"))
    }

    /** No parts stand for null; several parts have no single value. */
    private fun absent(content: Content): JsonElement =
        if (content.parts.isEmpty()) JsonNull else JsonPrimitive(content.text)
}
