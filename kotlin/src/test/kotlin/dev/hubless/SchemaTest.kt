package dev.hubless

import kotlinx.serialization.Contextual
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test
import java.math.BigDecimal
import java.time.LocalDate

@Serializable
private enum class Colour {
    RED,

    @SerialName("deep-blue")
    BLUE,
}

@Serializable
@Description("an order")
private data class Order(
    @Description("how many") val count: Int,
    val price: Double,
    val name: String?,
    val colours: Set<Colour> = emptySet(),
    val notes: Map<String, List<Boolean>> = emptyMap(),
    @Contextual val day: LocalDate,
    @Contextual val exact: BigDecimal,
    val any: JsonElement,
)

@Serializable
private data class Tree(val value: Int, val children: List<Tree> = emptyList())

@Serializable
private sealed interface Shape {
    @Serializable
    @SerialName("circle")
    data class Circle(val radius: Double) : Shape

    @Serializable
    @SerialName("square")
    data class Square(val side: Double) : Shape
}

@JvmInline
@Serializable
private value class Metres(val value: Double)

@Serializable
private data class Distance(val length: Metres)

class SchemaTest {
    private fun check(wanted: String, found: JsonElement?) =
        assertEquals(Json.parseToJsonElement(wanted), found)

    @Test
    fun `derives every field of a class`() = check(
        """{"type":"object","description":"an order","properties":{
            "count":{"type":"integer","description":"how many"},
            "price":{"type":"number"},
            "name":{"type":["string","null"]},
            "colours":{"type":"array","items":{"type":"string","enum":["RED","deep-blue"]},
                "uniqueItems":true},
            "notes":{"type":"object","additionalProperties":
                {"type":"array","items":{"type":"boolean"}}},
            "day":{"type":"string","format":"date"},
            "exact":{"type":"number"},
            "any":{}},
            "required":["count","price","day","exact","any"]}""",
        jsonSchema<Order>(),
    )

    @Test
    fun `refers to a type that contains itself`() = check(
        """{"${'$'}ref":"#/${'$'}defs/Tree","${'$'}defs":{"Tree":{"type":"object","properties":{
            "value":{"type":"integer"},
            "children":{"type":"array","items":{"${'$'}ref":"#/${'$'}defs/Tree"}}},
            "required":["value"]}}}""",
        jsonSchema<Tree>(),
    )

    @Test
    fun `tells the cases of a sealed type apart by a constant`() = check(
        """{"oneOf":[
            {"type":"object","properties":{"type":{"const":"circle"},"radius":{"type":"number"}},
                "required":["type","radius"]},
            {"type":"object","properties":{"type":{"const":"square"},"side":{"type":"number"}},
                "required":["type","side"]}]}""",
        jsonSchema<Shape>(),
    )

    @Test
    fun `sees through value classes`() = check(
        """{"type":"object","properties":{"length":{"type":"number"}},"required":["length"]}""",
        jsonSchema<Distance>(),
    )

    @Test
    fun `has no schema for types that take any content`() {
        assertNull(jsonSchema<String>())
        assertNull(jsonSchema<Content>())
        assertNull(jsonSchema<JsonElement>())
        assertNull(jsonSchema<ByteArray>())
        assertNull(jsonSchema<Unit>())
    }
}
