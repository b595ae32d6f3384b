package dev.hubless.internal

import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerializationException
import kotlinx.serialization.descriptors.PrimitiveKind
import kotlinx.serialization.descriptors.PrimitiveSerialDescriptor
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder
import kotlinx.serialization.json.JsonDecoder
import kotlinx.serialization.json.JsonEncoder
import kotlinx.serialization.json.JsonUnquotedLiteral
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.modules.SerializersModule
import java.math.BigDecimal
import java.math.BigInteger
import java.net.URI
import java.time.Instant
import java.time.LocalDate
import java.time.LocalDateTime
import java.time.LocalTime
import java.time.OffsetDateTime
import java.util.UUID

/** Prefix of serial names whose rest is the `format` of the JSON schema. */
internal const val FORMAT_PREFIX: String = "dev.hubless.format/"

/** A type of the JDK that travels as text. */
internal class TextSerializer<T : Any>(
    format: String,
    private val parse: (String) -> T,
) : KSerializer<T> {
    override val descriptor: SerialDescriptor =
        PrimitiveSerialDescriptor("$FORMAT_PREFIX$format", PrimitiveKind.STRING)

    override fun serialize(encoder: Encoder, value: T): Unit = encoder.encodeString(
        value.toString(),
    )

    override fun deserialize(decoder: Decoder): T = try {
        parse(decoder.decodeString())
    } catch (failure: RuntimeException) {
        throw SerializationException(failure.message, failure)
    }
}

/** A number of any size and precision; digits travel as they are. */
@OptIn(ExperimentalSerializationApi::class)
internal class NumberSerializer<T : Number>(
    name: String,
    kind: PrimitiveKind,
    private val parse: (String) -> T,
) : KSerializer<T> {
    override val descriptor: SerialDescriptor = PrimitiveSerialDescriptor("dev.hubless.$name", kind)

    override fun serialize(encoder: Encoder, value: T) {
        val digits = (value as? BigDecimal)?.toPlainString() ?: value.toString()
        (encoder as JsonEncoder).encodeJsonElement(JsonUnquotedLiteral(digits))
    }

    override fun deserialize(decoder: Decoder): T = try {
        parse((decoder as JsonDecoder).decodeJsonElement().jsonPrimitive.content)
    } catch (failure: RuntimeException) {
        throw SerializationException(failure.message, failure)
    }
}

/** Types of the JDK that need no annotation in Java types, and `@Contextual` in Kotlin ones. */
internal val jdkSerializers: Map<Class<*>, KSerializer<*>> = mapOf(
    LocalDate::class.java to TextSerializer("date", LocalDate::parse),
    LocalTime::class.java to TextSerializer("time", LocalTime::parse),
    LocalDateTime::class.java to TextSerializer("local-date-time", LocalDateTime::parse),
    OffsetDateTime::class.java to TextSerializer("date-time", OffsetDateTime::parse),
    Instant::class.java to TextSerializer("date-time", Instant::parse),
    UUID::class.java to TextSerializer("uuid", UUID::fromString),
    URI::class.java to TextSerializer("uri", URI::create),
    BigDecimal::class.java to NumberSerializer("BigDecimal", PrimitiveKind.DOUBLE, ::BigDecimal),
    BigInteger::class.java to NumberSerializer("BigInteger", PrimitiveKind.LONG, ::BigInteger),
)

internal val JdkModule: SerializersModule = SerializersModule {
    for ((type, serializer) in jdkSerializers) {
        @Suppress("UNCHECKED_CAST")
        contextual(type.kotlin as kotlin.reflect.KClass<Any>, serializer as KSerializer<Any>)
    }
}
