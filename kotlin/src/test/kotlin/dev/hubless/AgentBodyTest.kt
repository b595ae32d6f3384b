package dev.hubless

import dev.hubless.internal.registerBody
import kotlinx.serialization.json.Json
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class AgentBodyTest {
    @Test
    fun `every requirement that is set is written, and nothing else`() {
        val options = AgentOptions("a")
        options.requirements {
            maxTokens = 5
            queue = 0
            acceptedContent = emptySet()
            sharedSecret("open-sesame")
            countTokens { 0 }
            allowedCallers { principals = listOf("mesh:*") }
        }
        val wanted = """{"acceptedContent":[],"maxTokens":5,"tokenCounter":"host",
            "auth":{"sharedSecret":"open-sesame"},"queue":0,
            "allowedCallers":{"principals":["mesh:*"]}}"""
        val found = registerBody(options, null)["requirements"]
        assertEquals(Json.parseToJsonElement(wanted), found)
    }
}
