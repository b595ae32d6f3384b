package dev.hubless

import dev.hubless.async.javaShape
import dev.hubless.internal.Shape
import dev.hubless.internal.callerOf
import dev.hubless.internal.contentOfValue
import dev.hubless.internal.wholeMs
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.math.BigDecimal
import java.time.LocalDate
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds

@Serializable
private data class Point(val x: Int, val y: Int = 7, val label: String? = null)

private class Opaque

class ValuesTest {
    @Test
    fun `times are rounded away from zero to whole milliseconds`() {
        val rows =
            mapOf(0 to 0L, 1 to 1L, 999_999 to 1L, 1_000_000 to 1L, 1_000_001 to 2L, -1 to -1L)
        for ((nanos, ms) in rows) assertEquals(ms, wholeMs(nanos.nanoseconds), "$nanos ns")
        assertEquals(Long.MAX_VALUE, wholeMs(Duration.INFINITE))
    }

    @Test
    fun `no time of a request that was said becomes none`() = withNode {
        agent<String, String>("slow") { awaitCancellation() }
        failure(ErrorKind.DEADLINE) { request<String>("slow", "?") { total = 1.nanoseconds } }
        failure(ErrorKind.DEADLINE) { request<String>("slow", "?") { timeout = 1.nanoseconds } }
        failure(ErrorKind.NOT_FOUND) { request<String>("nobody", "?") { wait = 1.nanoseconds } }
        val none = failure(ErrorKind.INVALID_ARGUMENT) {
            request<String>("slow", "?") { timeout = Duration.ZERO }
        }
        assertEquals("timeoutMs", none.field)
    }

    private fun json(text: String): JsonElement = Json.parseToJsonElement(text)

    private fun <T> read(shape: Shape<T>, content: Content): T = runBlocking {
        shape.read(content, "test")
    }

    @Test
    fun `keys that would lose an entry as text are refused`() {
        for (map in listOf(
            mapOf(1 to "a", "1" to "b"),
            mapOf("a" to 1, null to 2),
            mapOf("deep" to listOf(mapOf(null to 1))),
        )) {
            val refused = assertThrows(HublessException::class.java) { contentOfValue(map) }
            assertEquals(ErrorKind.INVALID_ARGUMENT to "content", refused.kind to refused.field)
        }
        val mixed = contentOfValue(mapOf(1 to "a", "2" to "b"))
        assertEquals(json("""{"1":"a","2":"b"}"""), mixed.value)
    }

    @Test
    fun `values become content by their type`() {
        assertEquals("hi", contentOfValue("hi").text)
        assertEquals(json("""{"x":1,"y":7,"label":null}"""), contentOfValue(Point(1)).value)
        assertEquals(
            json("""[1,"a",null,{"k":[true]}]"""),
            contentOfValue(listOf(1, "a", null, mapOf("k" to listOf(true)))).value,
        )
        assertEquals(json("12.50").toString(), contentOfValue(BigDecimal("12.50")).value.toString())
        assertEquals(0, contentOfValue(null).parts.size)
        assertTrue(contentOfValue(byteArrayOf(1)).parts.single() is Part.Blob)
    }

    @Test
    fun `content becomes values by the type asked for`() {
        val point = Content.of(Part.Data(json("""{"x":1,"extra":true}""")))
        assertEquals(Point(1), read(shapeOf<Point>(), point))
        assertEquals("1", read(shapeOf<String>(), Content.of(Part.Data(JsonPrimitive(1)))))
        assertEquals("ab", read(shapeOf<String>(), Content.of(Part.Text("a"), Part.Text("b"))))
        assertEquals(5, read(shapeOf<Int>(), Content.of(Part.Data(JsonPrimitive(5)))))
        val blob = Content.of(Part.Text("see"), Part.Blob("image/png", byteArrayOf(1, 2)))
        assertArrayEquals(byteArrayOf(1, 2), read(shapeOf<ByteArray>(), blob))
    }

    @Test
    fun `what does not fit is a json error and not a crash`() {
        val wrong = listOf("\"text\"", "{}", "[1]", "null", """{"x":3000000000}""", """{"x":1.5}""")
        for (text in wrong) {
            val content = Content.of(Part.Data(json(text)))
            val error =
                assertThrows(HublessException::class.java) { read(shapeOf<Point>(), content) }
            assertEquals(ErrorKind.JSON, error.kind, text)
        }
    }

    @Test
    fun `a type without a form is refused by name`() {
        val error = assertThrows(HublessException::class.java) { contentOfValue(Opaque()) }
        assertEquals(ErrorKind.INVALID_ARGUMENT, error.kind)
        assertTrue("Opaque" in error.message.orEmpty())
    }

    @Test
    fun `a filter is written as the contract says`() {
        val filter = (Filter.field("attributes.pair") contains "EUR/USD") and
            !(Filter.field("attributes.period") covers Interval(day(1), day(2)))
        val wanted = """{"and":[{"field":"attributes.pair","op":"contains","value":"EUR/USD"},
            {"not":{"field":"attributes.period","op":"covers",
            "value":{"interval":{"from":"2021-01-01","to":"2021-01-02"}}}}]}"""
        assertEquals(json(wanted), json(filter.toString()))
    }

    @Test
    fun `java records travel without annotations`() {
        val shape = javaShape(JavaRecords.Trade::class.java)
        val trade = JavaRecords.sample()
        val content = contentOfValue(trade)
        assertEquals(
            json(
                """{"pair":"EURUSD","amount":12.5,"side":"BUY","day":"2024-02-29",
                "legs":[{"rate":1}],"notes":{"a":"b"},"broker":null}""",
            ),
            content.value,
        )
        assertEquals(trade, read(shape, content))
        val missing = Content.of(Part.Data(json("""{"pair":"EURUSD"}""")))
        val error = assertThrows(HublessException::class.java) { read(shape, missing) }
        assertEquals(ErrorKind.JSON, error.kind)
    }

    @Test
    fun `each kind of caller is read by its name`() {
        val names = listOf("local", "member", "bridged", "external", "edge")
        val read = names.map { callerOf(JsonObject(mapOf("kind" to JsonPrimitive(it)))).kind }
        assertEquals(CallerKind.entries, read)
    }

    private fun day(n: Int) = LocalDate.of(2021, 1, n)
}
