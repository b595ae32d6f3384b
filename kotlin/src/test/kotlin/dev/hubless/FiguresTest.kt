package dev.hubless.demo

import dev.hubless.ErrorKind
import dev.hubless.HublessException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.encodeToJsonElement
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

private const val HEADER = "date,precipitation,temp_max,temp_min,wind,weather\n"
private const val TABLE = HEADER +
    "2012/01/02,0.0,12.8,-5.0,4.7,drizzle\n" +
    "2012/01/01,10.9,12.8,2.8,4.5,rain\n" +
    "2013/01/03,0.8,-11.7,-17.2,2.3,rain\n"

class FiguresTest {
    private val figures = Json.encodeToJsonElement(computeFigures(TABLE))

    private fun altered(from: String, to: String): JsonElement {
        val text = figures.toString()
        assertTrue(from in text, from)
        return Json.parseToJsonElement(text.replaceFirst(from, to))
    }

    @Test
    fun `computes exact tenths and takes the earliest of equals`() {
        val figures = computeFigures(TABLE)
        assertEquals("2012-01-01", figures.first)
        val year = figures.years.first()
        assertEquals(256, year.tempMaxSumTenths)
        assertEquals(-22, year.tempMinSumTenths)
        assertEquals(Hottest("2012-01-01", 128), year.hottest)
        assertEquals(mapOf("drizzle" to 1, "rain" to 2), figures.weather)
        assertEquals(1, figures.months.size)
        assertEquals(117, figures.months.single().precipitationTenths)
    }

    @Test
    fun `agrees with equal figures in any order`() {
        val check = compareFigures(figures, figures)
        assertTrue(check.ok)
        assertTrue(check.compared > 20, check.compared.toString())
    }

    @Test
    fun `names each figure that differs by a tenth`() {
        val check = compareFigures(altered("\"windMaxTenths\":47", "\"windMaxTenths\":48"), figures)
        val wanted = Mismatch("years.2012.windMaxTenths", JsonPrimitive(48), JsonPrimitive(47))
        assertFalse(check.ok)
        assertEquals(listOf(wanted), check.mismatches)
    }

    @Test
    fun `names figures that are missing or too many`() {
        val check = compareFigures(altered("\"drizzle\":1", "\"hail\":1"), figures)
        val wanted = listOf(
            Mismatch("weather.drizzle", JsonNull, JsonPrimitive(1)),
            Mismatch("weather.hail", JsonPrimitive(1), JsonNull),
        )
        assertEquals(wanted, check.mismatches)
    }

    @Test
    fun `refuses a table that it cannot read exactly`() {
        val broken = listOf(
            "",
            HEADER,
            "date,wind\n2012/01/01,1.0\n",
            HEADER + "2012/13/01,0.0,1.0,1.0,1.0,rain\n",
            HEADER + "2012/01/01,0.05,1.0,1.0,1.0,rain\n",
            HEADER + "2012/01/01,wet,1.0,1.0,1.0,rain\n",
            HEADER + "2012/01/01,0.0,1.0\n",
        )
        for (table in broken) {
            val error = assertThrows(HublessException::class.java) { computeFigures(table) }
            assertEquals(ErrorKind.CONTENT, error.kind, table)
        }
    }
}
