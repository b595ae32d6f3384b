package dev.hubless.samples

import dev.hubless.Agent
import dev.hubless.AgentHandler
import dev.hubless.AuthRule
import dev.hubless.CallerKind
import dev.hubless.Concurrency
import dev.hubless.ContentType
import dev.hubless.Credential
import dev.hubless.Description
import dev.hubless.Effect
import dev.hubless.ErrorKind
import dev.hubless.Example
import dev.hubless.Health
import dev.hubless.Interval
import dev.hubless.Share
import dev.hubless.Skill
import dev.hubless.Spends
import dev.hubless.Verdict
import dev.hubless.agent
import dev.hubless.describe
import dev.hubless.failure
import dev.hubless.find
import dev.hubless.jsonSchema
import dev.hubless.register
import dev.hubless.request
import dev.hubless.withNode
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.time.LocalDate
import kotlin.time.Duration.Companion.seconds

@Serializable
private data class RateQuery(@Description("such as EURUSD") val pair: String)

@Serializable
private data class Rate(val value: Double)

@Agent(name = "calculator", tags = ["maths"])
private class Calculator {
    @Skill(description = "adds two numbers", effect = Effect.PURE)
    suspend fun add(@Description("the first") a: Int, b: Int): Int = a + b
}

/** Isolated agents are copies: each call counts from the start. */
private data class Counter(val start: Int) {
    private var count = start

    @Skill
    fun next(): Int = ++count
}

/** What the documentation of agents shows. */
class AgentSamples {
    @Test
    fun function() = withNode {
        val agent = agent<RateQuery, Rate>("rate", "FX rates", setOf("fx"), {
            version = "1.2.0"
        }) { query -> Rate(query.pair.length * 0.25) }
        assertEquals(Rate(1.5), request<Rate>("rate", RateQuery("EURUSD")))
        agent.unregister()
    }

    @Test
    fun skill() = withNode {
        val years = Interval(LocalDate.of(2021, 1, 1), LocalDate.of(2024, 12, 31))
        agent<String, String>("archive", configure = {
            skill {
                effect = Effect.PURE
                spends = Spends.NONE
                share = Share.MESH
                examples = listOf(Example(text = "the rate of 2021-03-01"))
                attribute("period", years)
            }
        }) { "1.2" }
        assertEquals(Effect.PURE, find { skill = "archive" }.single().skills.single().effect)
    }

    @Test
    fun handler() = withNode {
        register("echo", AgentHandler { call -> call.content })
        assertEquals("hi", request<String>("echo", "hi"))
    }

    @Test
    fun health() = withNode {
        val frail = agent<String, String>("frail") { "ok" }
        frail.health(Health.DOWN)
        val found = find(explain = true) { skill = "frail" }.single()
        assertEquals(0.0, found.about.explain.single { it.signal == "health" }.value)
    }

    @Test
    fun isolated() = withNode {
        register(Counter(5)) { concurrency = Concurrency.ISOLATED }
        repeat(2) { assertEquals(6, request<Int>("counter")) }
    }

    @Test
    fun annotated() = withNode {
        register(Calculator())
        val three = request<Int>("calculator", mapOf("a" to 1, "b" to 2)) { skill = "add" }
        assertEquals(3, three)
        val skill = describe("calculator").skills.single()
        assertEquals(JsonPrimitive("adds two numbers"), skill["description"])
    }

    @Test
    fun call() = withNode {
        agent<String, String>("who") {
            progress("looking", 0.5)
            "${caller.kind} asked $it at depth $depth"
        }
        val wanted = "${CallerKind.LOCAL} asked why at depth 0"
        assertEquals(wanted, request<String>("who", "why"))
    }

    @Test
    fun requirements() = withNode {
        agent<String, String>("brief", configure = {
            requirements {
                maxTokens = 3
                acceptedContent = setOf(ContentType.TEXT)
                countTokens { texts -> texts.sumOf { it.split(' ').size.toLong() } }
                allowedCallers { principals = listOf("*") }
            }
        }) { "ok" }
        assertEquals("ok", request<String>("brief", "three short words"))
        failure(ErrorKind.PROMPT) { request<String>("brief", "these are far too many") }
    }

    @Test
    fun auth() = withNode {
        globalAuth(AuthRule.Function { attempt -> attempt.credential == "open-sesame" })
        agent<String, String>("cave") { "in" }
        failure(ErrorKind.AUTH) { request<String>("cave", "?") }
        val shown = Credential("custom", "open-sesame")
        assertEquals("in", request<String>("cave", "?") { auth = shown })
    }

    @Test
    fun token() = withNode {
        val facts = mapOf("team" to "finance", "level" to 3)
        agent<String, String>("ledger", configure = {
            requirements { token(root = "07".repeat(32), facts) }
        }) { "open" }
        failure(ErrorKind.AUTH) {
            request<String>("ledger", "?") { auth = Credential("token", "forged") }
        }
    }

    @Test
    fun verdict() = withNode {
        globalAuth(
            AuthRule.Verdicts { Verdict(it.credential == "open-sesame", keep = 30.seconds) },
        )
        agent<String, String>("cave") { "in" }
        val shown = Credential("custom", "open-sesame")
        assertEquals("in", request<String>("cave", "?") { auth = shown })
    }

    @Test
    fun schema() = assertTrue("such as EURUSD" in jsonSchema<RateQuery>().toString())
}
