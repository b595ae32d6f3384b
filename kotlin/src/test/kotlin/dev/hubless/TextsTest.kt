package dev.hubless

import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import kotlin.time.Duration

/** Texts that are no Unicode, or hold a NUL: refused by kind or carried, never lost. */
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

    private fun everywhere(use: suspend Node.(suspend Node.(String) -> Any?) -> Unit) =
        places.map { (place, into) ->
            dynamicTest(place) {
                withNode {
                    agent<Content, Content>("echo") { it }
                    use(into)
                    assertEquals("still here", request<String>("echo", "still here"))
                }
            }
        }

    @TestFactory
    fun `half a pair is refused`(): List<DynamicTest> = everywhere { into ->
        for (half in listOf("half \uD83D", "\uDC00 half")) {
            failure(ErrorKind.INVALID_ARGUMENT) { into(half) }
        }
    }

    @TestFactory
    fun `a NUL is refused with a kind or carried`(): List<DynamicTest> = everywhere { into ->
        val outcome = runCatching { into("a\u0000b") }
        val refusal = outcome.exceptionOrNull()
        assertTrue(refusal == null || refusal is HublessException, "$refusal")
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
