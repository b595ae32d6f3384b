package dev.hubless

import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import kotlin.time.Duration

@Serializable
private data class Reading(val value: Double)

/** Texts that are no Unicode or hold a NUL, numbers that are none: refused or carried. */
class TextsTest {
    private val places: Map<String, suspend Node.(String) -> Any?> = mapOf(
        "content" to { ask("echo", it) },
        "a text part" to { ask("echo", Part.Text(it)) },
        "a key of the content" to { ask("echo", mapOf(it to 1)) },
        "a target" to { odd -> ask(odd, "?") { wait = Duration.ZERO } },
        "a skill" to { odd -> ask("echo", "?") { skill = odd } },
        "a conversation" to { odd -> ask("echo", "?") { conversationId = odd } },
        "a key of repetition" to { odd -> ask("echo", "?") { idempotencyKey = odd } },
        "a key of metadata" to { odd ->
            ask("echo", "?") { metadata = JsonObject(mapOf(odd to JsonPrimitive(odd))) }
        },
        "a secret" to { odd -> ask("echo", "?") { auth = Credential("x", odd) } },
        "a query" to { find(it, Duration.ZERO) },
        "the name of an agent" to { odd -> agent<String, String>(odd) { it } },
        "a description" to { odd -> agent<String, String>("told", odd) { it } },
        "a template" to { templates.set(it, JsonObject(emptyMap())) },
        "a target of credentials" to { credentials.set(it, "secret") },
        "a pin" to { pins.set(it, it) },
        "a ticket" to { Node.join(it, testHome) },
    )

    /** The field that the error of each place names. */
    private val fields: Map<String, String> = mapOf(
        "content" to "content",
        "a text part" to "content",
        "a key of the content" to "content",
        "a target" to "to",
        "a skill" to "skill",
        "a conversation" to "conversationId",
        "a key of repetition" to "idempotencyKey",
        "a key of metadata" to "metadata",
        "a secret" to "auth",
        "a query" to "query",
        "the name of an agent" to "name",
        "a description" to "description",
        "a template" to "name",
        "a target of credentials" to "target",
        "a pin" to "name",
        "a ticket" to "ticket",
    )

    /** The field that the refusal of a NUL names; places that are not here take one. */
    private val nuls: Map<String, String> = mapOf(
        "a target" to "to",
        "a skill" to "skill",
        "a conversation" to "conversationId",
        "a key of repetition" to "idempotencyKey",
        "a key of metadata" to "metadata",
        "a secret" to "auth.secret",
        "the name of an agent" to "name",
        "a template" to "name",
        "a target of credentials" to "target",
        "a pin" to "agentId",
        "a ticket" to "ticket",
    )

    /** Every place where JSON goes in, with the field that the error names. */
    private val numbers: List<Pair<String, suspend Node.(Double) -> Any?>> = listOf(
        "content" to { ask("echo", it) },
        "content" to { ask("echo", it.toFloat()) },
        "content" to { ask("echo", mapOf("deep" to listOf(null, doubleArrayOf(it)))) },
        "content" to { ask("echo", Part.Data(JsonPrimitive(it))) },
        "content" to { ask("echo", Reading(it)) },
        "content" to { odd ->
            val metadata = JsonObject(mapOf("k" to JsonPrimitive(odd)))
            ask("echo", Content(listOf(Part.Text("x")), metadata))
        },
        "metadata" to { odd ->
            ask("echo", "?") { metadata = JsonObject(mapOf("k" to JsonPrimitive(odd))) }
        },
        "extensions" to { odd ->
            ask("echo", "?") { extensions = JsonObject(mapOf("k" to JsonPrimitive(odd))) }
        },
        "requirements" to { odd ->
            agent<String, String>("x", configure = { requirements { ratePerSecond = odd } }) { it }
        },
        "template" to { templates.set("x", JsonObject(mapOf("k" to JsonPrimitive(it)))) },
    )

    private fun everywhere(use: suspend Node.(String, suspend Node.(String) -> Any?) -> Unit) =
        places.map { (place, into) ->
            dynamicTest(place) {
                withNode {
                    agent<Content, Content>("echo") { it }
                    use(place, into)
                    assertEquals("still here", request<String>("echo", "still here"))
                }
            }
        }

    @TestFactory
    fun `half a pair is refused by its field`(): List<DynamicTest> = everywhere { place, into ->
        for (half in listOf("half \uD83D", "\uDC00 half")) {
            val refused = failure(ErrorKind.INVALID_ARGUMENT) { into(half) }
            assertEquals(fields[place], refused.field)
        }
    }

    @TestFactory
    fun `a number that is none is refused by its field`(): List<DynamicTest> =
        numbers.mapIndexed { row, (field, into) ->
            dynamicTest("$field, row $row") {
                withNode {
                    agent<Content, Content>("echo") { it }
                    val odds = listOf(
                        Double.NaN,
                        Double.POSITIVE_INFINITY,
                        Double.NEGATIVE_INFINITY,
                    )
                    for (odd in odds) {
                        val refused = failure(ErrorKind.INVALID_ARGUMENT) { into(odd) }
                        assertEquals(field, refused.field)
                        assertTrue("send null or a text" in refused.message.orEmpty(), "$refused")
                    }
                    val words = "NaN and Infinity"
                    assertEquals(words, request<String>("echo", words))
                }
            }
        }

    @Test
    fun `an answer that holds a number that is none fails the call`() = withNode {
        agent<String, Reading>("odd") { Reading(Double.NaN) }
        val refused = failure(ErrorKind.HANDLER_FAILED) { ask("odd", "?") }
        assertTrue("finite numbers" in refused.message.orEmpty(), "$refused")
    }

    @TestFactory
    fun `a NUL is refused with its field or taken`(): List<DynamicTest> = everywhere { at, into ->
        val field = nuls[at]
        if (field == null) {
            into("a\u0000b")
        } else {
            val refused = failure(ErrorKind.INVALID_ARGUMENT) { into("a\u0000b") }
            assertEquals(field, refused.field, "$refused")
        }
    }

    @Test
    fun `a NUL is left out of what is shown to people and no part of a secret`() = withNode {
        val odd = "a\u0000b"
        val shows = agent<String, String>("shows", odd) {
            throw HublessException(ErrorKind.DENIED, odd)
        }
        assertEquals("ab", (describe("shows").descriptor["description"] as JsonPrimitive).content)
        assertEquals("ab", failure(ErrorKind.DENIED) { ask("shows", "?") }.message)
        val secret = failure(ErrorKind.INVALID_ARGUMENT) { credentials.set(shows.agentId, odd) }
        assertEquals("bad_text" to "secret", secret.code to secret.field)
        val guarded = failure(ErrorKind.INVALID_ARGUMENT) {
            val rules: AgentOptions.() -> Unit = { requirements { sharedSecret(odd) } }
            agent<String, String>("vault", configure = rules) { it }
        }
        assertEquals("auth.sharedSecret", guarded.field)
    }

    @Test
    fun `whole pairs and NULs arrive as they were sent`() = withNode {
        agent<Content, Content>("echo") { it }
        for (whole in listOf(
            "a\u0000b",
            "\uD83D\uDE00",
            "\u0000",
            "\\ud83d",
            "\uDBFF\uDFFF\uFFFD",
        )) {
            assertEquals(whole, request<String>("echo", whole))
            val keyed = mapOf(whole to whole)
            assertEquals(keyed, request<Map<String, String>>("echo", keyed))
        }
    }
}
