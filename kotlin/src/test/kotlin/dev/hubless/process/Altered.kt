package dev.hubless.process

import dev.hubless.Content
import dev.hubless.Node
import dev.hubless.Part
import dev.hubless.demo.Check
import dev.hubless.demo.computeFigures
import dev.hubless.peer
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.encodeToJsonElement
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import kotlin.time.Duration.Companion.seconds

private const val CSV = "date,precipitation,temp_max,temp_min,wind,weather\n" +
    "2012/01/01,0.0,12.8,5.0,4.7,drizzle\n2012/01/02,10.9,10.6,2.8,4.5,rain\n"

/** Asks the checker for right figures and for one that is wrong by a tenth. */
internal suspend fun checkAltered(node: Node) {
    val peer = node.peer("check the figures of a report exactly", wait = 20.seconds) {
        skill = "check_figures"
    }
    val right = Json.encodeToJsonElement(computeFigures(CSV))
    val good = peer.request<Check>(question(right))
    assertTrue(good.ok && good.compared >= 20, good.toString())
    val text = right.toString().replace("\"windMaxTenths\":47", "\"windMaxTenths\":48")
    val bad = peer.request<Check>(question(Json.parseToJsonElement(text)))
    assertEquals(listOf("years.2012.windMaxTenths"), bad.mismatches.map { it.figure })
}

private fun question(figures: JsonElement) = Content.of(
    Part.Data(JsonObject(mapOf("figures" to figures))),
    Part.Blob("text/csv", CSV.toByteArray(), "weather.csv"),
)
