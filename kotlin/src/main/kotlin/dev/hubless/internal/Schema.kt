@file:OptIn(ExperimentalSerializationApi::class)

package dev.hubless.internal

import dev.hubless.Description
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.descriptors.PolymorphicKind
import kotlinx.serialization.descriptors.PrimitiveKind
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.descriptors.SerialKind
import kotlinx.serialization.descriptors.StructureKind
import kotlinx.serialization.descriptors.elementNames
import kotlinx.serialization.descriptors.getContextualDescriptor
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.put

/** Derives the JSON Schema (2020-12) of what a serializer reads and writes. */
internal fun schemaOf(descriptor: SerialDescriptor): JsonObject {
    val walk = SchemaWalk()
    val root = walk.schema(descriptor)
    if (walk.definitions.isEmpty()) return root
    return JsonObject(root + ("\$defs" to JsonObject(walk.definitions)))
}

private class SchemaWalk {
    /** Types that contain themselves, by name. */
    val definitions = sortedMapOf<String, JsonObject>()
    private val open = HashSet<String>()
    private val recursive = HashSet<String>()

    fun schema(descriptor: SerialDescriptor): JsonObject {
        if (descriptor.serialName.startsWith(JSON_PREFIX)) return emptyObject
        val plain = inner(descriptor)
        return if (descriptor.isNullable) nullable(plain) else plain
    }

    private fun nullable(schema: JsonObject): JsonObject {
        val type = schema.text("type")
        return when {
            schema.isEmpty() -> schema
            type != null && "enum" !in schema && "const" !in schema -> JsonObject(
                schema + ("type" to textArray(listOf(type, "null"))),
            )
            else -> obj { put("anyOf", JsonArray(listOf(schema, ofType("null")))) }
        }
    }

    private fun inner(descriptor: SerialDescriptor): JsonObject = when (descriptor.kind) {
        is PrimitiveKind -> primitive(descriptor)

        SerialKind.ENUM -> obj {
            put("type", "string")
            put("enum", textArray(descriptor.elementNames))
        }

        SerialKind.CONTEXTUAL -> contextual(descriptor)

        StructureKind.LIST -> obj {
            put("type", "array")
            put("items", schema(descriptor.getElementDescriptor(0)))
            if (isSet(descriptor)) put("uniqueItems", true)
        }

        StructureKind.MAP -> obj {
            put("type", "object")
            put("additionalProperties", schema(descriptor.getElementDescriptor(1)))
        }

        StructureKind.OBJECT -> ofType("object")

        StructureKind.CLASS -> if (descriptor.isInline) {
            schema(descriptor.getElementDescriptor(0))
        } else {
            named(descriptor) { properties(descriptor, null) }
        }

        PolymorphicKind.SEALED -> named(descriptor) { sealed(descriptor) }

        PolymorphicKind.OPEN -> ofType("object")
    }

    private fun contextual(descriptor: SerialDescriptor): JsonObject =
        Reader.serializersModule.getContextualDescriptor(descriptor)?.let(::schema) ?: emptyObject

    private fun primitive(descriptor: SerialDescriptor): JsonObject = when (descriptor.kind) {
        PrimitiveKind.BOOLEAN -> ofType("boolean")
        PrimitiveKind.BYTE, PrimitiveKind.SHORT, PrimitiveKind.INT, PrimitiveKind.LONG -> ofType(
            "integer",
        )
        PrimitiveKind.FLOAT, PrimitiveKind.DOUBLE -> ofType("number")
        else -> {
            obj {
                put("type", "string")
                format(descriptor.serialName)?.let { put("format", it) }
            }
        }
    }

    private fun format(name: String): String? = when {
        name.startsWith(FORMAT_PREFIX) -> name.removePrefix(FORMAT_PREFIX)
        name.endsWith("LocalDate") -> "date"
        name.endsWith(".Instant") -> "date-time"
        name.endsWith(".Uuid") -> "uuid"
        else -> null
    }

    private fun properties(descriptor: SerialDescriptor, discriminator: String?): JsonObject = obj {
        put("type", "object")
        note(descriptor.annotations)?.let { put("description", it) }
        val fields = LinkedHashMap<String, JsonObject>()
        val required = ArrayList<String>()
        if (discriminator != null) {
            fields[DISCRIMINATOR] = obj { put("const", discriminator) }
            required.add(DISCRIMINATOR)
        }
        for (index in 0 until descriptor.elementsCount) {
            val element = descriptor.getElementDescriptor(index)
            val name = descriptor.getElementName(index)
            val note = note(descriptor.getElementAnnotations(index))
            val schema = schema(element)
            val noted = note?.let { mapOf("description" to JsonPrimitive(it)) }
            fields[name] = JsonObject(schema + noted.orEmpty())
            if (!descriptor.isElementOptional(index) && !element.isNullable) required.add(name)
        }
        put("properties", JsonObject(fields))
        if (required.isNotEmpty()) put("required", textArray(required))
    }

    /** Every case of a sealed type, told apart by the field `type`. */
    private fun sealed(descriptor: SerialDescriptor): JsonObject {
        val cases = descriptor.getElementDescriptor(1)
        val schemas = (0 until cases.elementsCount).map { index ->
            properties(cases.getElementDescriptor(index), cases.getElementName(index))
        }
        return obj {
            note(descriptor.annotations)?.let { put("description", it) }
            put("oneOf", JsonArray(schemas))
        }
    }

    /** Writes a type in place, or as a reference where it stands inside itself. */
    private fun named(descriptor: SerialDescriptor, make: () -> JsonObject): JsonObject {
        val name = descriptor.serialName.removeSuffix("?").substringAfterLast('.')
        if (!open.add(name)) {
            recursive.add(name)
            return reference(name)
        }
        val made = make()
        open.remove(name)
        if (name !in recursive) return made
        definitions[name] = made
        return reference(name)
    }

    private fun reference(name: String) = obj { put("\$ref", "#/\$defs/$name") }

    private fun ofType(type: String) = obj { put("type", type) }

    private fun note(annotations: List<Annotation>): String? =
        annotations.filterIsInstance<Description>().firstOrNull()?.text

    private fun isSet(descriptor: SerialDescriptor): Boolean =
        descriptor.serialName.startsWith("kotlin.collections.") &&
            descriptor.serialName.removeSuffix("?").endsWith("Set")

    private companion object {
        const val DISCRIMINATOR = "type"
        const val JSON_PREFIX = "kotlinx.serialization.json."
    }
}
