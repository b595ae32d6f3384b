package dev.hubless.samples

import dev.hubless.Credential
import dev.hubless.Hubless
import dev.hubless.Identity
import dev.hubless.IdentityKind
import dev.hubless.Node
import dev.hubless.agent
import dev.hubless.ask
import dev.hubless.hubless
import dev.hubless.request
import dev.hubless.testHome
import dev.hubless.withNode
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.file.Files
import kotlin.time.Duration.Companion.minutes

/** What the documentation of nodes shows. */
class NodeSamples {
    @Test
    fun block(): Unit = runBlocking {
        hubless({ home = testHome }) {
            agent<String, String>("greet") { "hello $it" }
            assertEquals("hello Ada", request<String>("greet", "Ada"))
        }
    }

    @Test
    fun start(): Unit = runBlocking {
        val node = Node.start {
            home = testHome
            memoryOnly = true
        }
        node.use { assertEquals(64, it.nodeKey.length) }
    }

    @Test
    fun status() = withNode {
        agent<String, String>("greet") { "hello $it" }
        val status = status()
        assertEquals(1 to 0, status.agents to status.calls)
        assertTrue(status.peers.all { it.agents >= 0 })
    }

    @Test
    fun invite() = withNode {
        val ticket = invite {
            lifetime = 10.minutes
            local = true
        }
        val elsewhere = Files.createTempDirectory(testHome, "elsewhere")
        assertEquals(meshId, Node.join(ticket, elsewhere))
    }

    @Test
    fun inspect() {
        val address = Hubless.inspectId("7:abcd.ef01.2345", IdentityKind.ADDRESS)
        assertEquals(Identity("7:ABCD.EF01.2345"), address)
    }

    @Test
    fun credentials() = withNode {
        val cave = agent<String, String>("cave", configure = {
            requirements { sharedSecret("open-sesame") }
        }) { "in" }
        credentials.set(cave.agentId) { Credential("shared_secret", "open-sesame") }
        assertEquals("in", request<String>("cave", "?"))
    }

    @Test
    fun templates() = withNode {
        agent<String, String>("tone") { request.metadata["tone"].toString() }
        val formal = buildJsonObject {
            put("metadata", buildJsonObject { put("tone", "formal") })
        }
        templates.set("formal", formal)
        assertEquals("\"formal\"", ask("tone", "?") { template = "formal" }.text)
    }

    @Test
    fun pins() = withNode {
        val greet = agent<String, String>("greet") { "hello $it" }
        pins.set("greet", greet.agentId)
        assertEquals(greet.agentId, pins.all()["greet"])
    }
}
