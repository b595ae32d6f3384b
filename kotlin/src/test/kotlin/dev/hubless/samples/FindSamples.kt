package dev.hubless.samples

import dev.hubless.Change
import dev.hubless.Filter
import dev.hubless.Node
import dev.hubless.Query
import dev.hubless.Scope
import dev.hubless.agent
import dev.hubless.ask
import dev.hubless.describe
import dev.hubless.find
import dev.hubless.listAgents
import dev.hubless.loadAgents
import dev.hubless.peer
import dev.hubless.watch
import dev.hubless.withNode
import kotlinx.coroutines.flow.first
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** What the documentation of the directory shows. */
class FindSamples {
    private suspend fun Node.rates() = agent<String, String>("rates", "FX rates", setOf("fx"), {
        skill { attribute("pair", listOf("EUR/USD", "EUR/GBP")) }
    }) { "1.1" }

    @Test
    fun peer() = withNode {
        rates()
        val best = find("exchange rates", explain = true) { tag("fx") }.first()
        assertEquals("rates", best.skills.single().id)
        assertTrue(best.about.explain.all { it.signal.isNotEmpty() })
        assertEquals("1.1", best.request<String>("EURUSD"))
    }

    @Test
    fun query() = withNode {
        rates()
        val query = Query("exchange rates").apply {
            tag("fx")
            limit = 1
        }
        assertEquals("rates", ask(query, "EURUSD").agent.name)
    }

    @Test
    fun filter() = withNode {
        rates()
        val wanted = Filter.field("attributes.pair") contains "EUR/GBP"
        val pricey = Filter.field("tags") contains "pricey"
        assertEquals("rates", peer { where(wanted and !pricey) }.name)
    }

    @Test
    fun describe() = withNode {
        rates()
        val description = describe("rates")
        assertEquals(JsonPrimitive("rates"), description.descriptor["name"])
        assertEquals(1, description.skills.size)
    }

    @Test
    fun watch() = withNode {
        rates()
        val there = watch { tag("fx") }.first() as Change.Snapshot
        assertEquals(listOf("rates"), there.agents.map { it.name })
    }

    @Test
    fun lists() = withNode {
        rates()
        assertEquals(listOf("rates"), listAgents(Scope.LOCAL).map { it.name })
        val catalogue = loadAgents(listOf(JsonObject(emptyMap())))
        assertEquals(0 to 1, catalogue.loaded to catalogue.refused.size)
    }
}
