package dev.hubless.internal

import dev.hubless.Description
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.InternalSerializationApi
import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerializationException
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.builtins.MapSerializer
import kotlinx.serialization.builtins.SetSerializer
import kotlinx.serialization.builtins.nullable
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.descriptors.PrimitiveKind
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.descriptors.SerialKind
import kotlinx.serialization.descriptors.StructureKind
import kotlinx.serialization.descriptors.buildClassSerialDescriptor
import kotlinx.serialization.descriptors.buildSerialDescriptor
import kotlinx.serialization.encoding.CompositeDecoder
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder
import kotlinx.serialization.serializerOrNull
import java.lang.reflect.InvocationTargetException
import java.lang.reflect.ParameterizedType
import java.lang.reflect.Type
import java.lang.reflect.WildcardType
import java.util.Optional

/** Finds the serializer of a plain Java type; null where Kotlin's own look-up should be asked. */
internal fun jvmSerializer(type: Type): KSerializer<*>? = when (type) {
    is WildcardType -> jvmSerializer(type.upperBounds.first())
    is ParameterizedType -> collectionSerializer(type)
    is Class<*> -> jdkSerializers[type] ?: classSerializer(type)
    else -> null
}

private fun classSerializer(type: Class<*>): KSerializer<*>? = when {
    Reader.serializersModule.serializerOrNull(type) != null && !type.isEnum -> null
    type.isRecord -> RecordSerializer.of(type)
    type.isEnum && Reader.serializersModule.serializerOrNull(type) == null -> EnumSerializer(type)
    else -> null
}

private fun collectionSerializer(type: ParameterizedType): KSerializer<*>? {
    val raw = type.rawType as Class<*>
    val arguments = type.actualTypeArguments
    return when {
        raw == Optional::class.java -> OptionalSerializer(serializerOf(arguments[0]))
        Map::class.java.isAssignableFrom(
            raw,
        ) -> MapSerializer(String.serializer(), serializerOf(arguments[1]))
        Set::class.java.isAssignableFrom(raw) -> SetSerializer(serializerOf(arguments[0]))
        Iterable::class.java.isAssignableFrom(raw) -> ListSerializer(serializerOf(arguments[0]))
        else -> null
    }
}

/** A Java enum without an annotation, by the names of its constants. */
@OptIn(ExperimentalSerializationApi::class, InternalSerializationApi::class)
private class EnumSerializer(private val type: Class<*>) : KSerializer<Any> {
    private val constants = type.enumConstants.map { it as Enum<*> }

    override val descriptor: SerialDescriptor =
        buildSerialDescriptor(type.name, SerialKind.ENUM) {
            for (constant in constants) {
                val name = "${type.name}.${constant.name}"
                element(
                    constant.name,
                    buildSerialDescriptor(
                        name,
                        StructureKind.OBJECT,
                    ),
                )
            }
        }

    override fun serialize(encoder: Encoder, value: Any): Unit =
        encoder.encodeEnum(descriptor, (value as Enum<*>).ordinal)

    override fun deserialize(decoder: Decoder): Any = constants[decoder.decodeEnum(descriptor)]
}

/** An optional component of a record: absent, or a value. */
@OptIn(ExperimentalSerializationApi::class)
private class OptionalSerializer(inner: KSerializer<Any>) : KSerializer<Optional<*>> {
    private val nullable = inner.nullable
    override val descriptor: SerialDescriptor = nullable.descriptor

    override fun serialize(encoder: Encoder, value: Optional<*>): Unit =
        nullable.serialize(encoder, value.orElse(null))

    override fun deserialize(decoder: Decoder): Optional<*> =
        Optional.ofNullable(nullable.deserialize(decoder))
}

/** A Java record, component by component. */
@OptIn(ExperimentalSerializationApi::class)
internal class RecordSerializer private constructor(private val type: Class<*>) :
    KSerializer<Any> {
    private val components = type.recordComponents
    private val parts: List<KSerializer<Any>> by lazy {
        components.map { serializerOf(it.genericType) }
    }

    override val descriptor: SerialDescriptor by lazy {
        buildClassSerialDescriptor(type.name) {
            components.forEachIndexed { index, component ->
                val optional = component.type == Optional::class.java
                val notes = component.annotations.filterIsInstance<Description>()
                element(component.name, parts[index].descriptor, notes, optional)
            }
        }
    }

    override fun serialize(encoder: Encoder, value: Any) {
        val output = encoder.beginStructure(descriptor)
        components.forEachIndexed { index, component ->
            component.accessor.trySetAccessible()
            val part = component.accessor.invoke(value)
                ?: throw SerializationException("component ${component.name} is null")
            output.encodeSerializableElement(descriptor, index, parts[index], part)
        }
        output.endStructure(descriptor)
    }

    override fun deserialize(decoder: Decoder): Any {
        val values = arrayOfNulls<Any>(components.size)
        val input = decoder.beginStructure(descriptor)
        while (true) {
            val index = input.decodeElementIndex(descriptor)
            if (index == CompositeDecoder.DECODE_DONE) break
            values[index] = input.decodeSerializableElement(descriptor, index, parts[index])
        }
        input.endStructure(descriptor)
        return construct(values)
    }

    private fun construct(values: Array<Any?>): Any {
        components.forEachIndexed { index, component ->
            if (values[index] == null && component.type == Optional::class.java) {
                values[index] = Optional.empty<Any>()
            }
        }
        val absent = components.indices.filter {
            values[it] == null
        }.map { components[it].name }
        if (absent.isNotEmpty()) throw SerializationException("missing $absent of ${type.name}")
        val types = components.map { it.type }.toTypedArray()
        val constructor = type.getDeclaredConstructor(*types).apply { trySetAccessible() }
        return try {
            constructor.newInstance(*values)
        } catch (failure: InvocationTargetException) {
            throw SerializationException(failure.targetException.message, failure)
        }
    }

    companion object {
        private val known = object : ClassValue<RecordSerializer>() {
            override fun computeValue(type: Class<*>) = RecordSerializer(type)
        }

        fun of(type: Class<*>): RecordSerializer = known.get(type)
    }
}
