package dev.hubless.samples

import dev.hubless.ErrorKind
import dev.hubless.Node
import dev.hubless.agent
import dev.hubless.failure
import dev.hubless.request
import dev.hubless.testing.Asked
import dev.hubless.testing.Ending
import dev.hubless.testing.HublessExtension
import dev.hubless.testing.ScriptMode
import dev.hubless.testing.TestMesh
import dev.hubless.testing.testMesh
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.ExtendWith

/** What the documentation of testing shows. */
@ExtendWith(HublessExtension::class)
class TestingSamples {
    @Test
    fun mesh() = runBlocking {
        testMesh {
            val other: Node = start()
            fake("weather") { otherwise { answer(7) } }
            assertEquals(7, other.request<Int>("weather", "Oslo"))
        }
    }

    @Test
    fun script() = runBlocking {
        testMesh {
            val fake = fake("weather") {
                step(contains = mapOf("city" to "Oslo")) { answer(7) }
                step { fail(ErrorKind.BUSY, "come back later") }
            }
            assertEquals(7, node.request<Int>("weather", mapOf("city" to "Oslo")))
            failure(ErrorKind.BUSY) { node.request<Int>("weather", mapOf("city" to "Rome")) }
            fake.verify()
            val asked: List<Asked> = fake.asked()
            assertEquals(listOf(Ending.ANSWERED, Ending.FAILED), asked.map { it.ending })
        }
    }

    @Test
    fun strict() = runBlocking {
        testMesh {
            fake("weather") {
                mode = ScriptMode.STRICT
                step(value = "first") { answer(1) }
                step(value = "second") { answer(2) }
            }
            val refused = failure(ErrorKind.HANDLER_FAILED) {
                node.request<Int>("weather", "second")
            }
            assertEquals("script_unmatched", refused.code)
        }
    }

    @Test
    fun record() = runBlocking {
        testMesh {
            val real = node.agent<String, String>("greet") { "hello $it" }
            val recorder = record("greet", name = "recorded")
            node.request<String>("recorded", "Ada")
            assertEquals(1, recorder.save(home.resolve("greet.json")))
            real.unregister()
            val again = replay(home.resolve("greet.json"))
            assertEquals("hello Ada", node.request<String>("greet", "Ada"))
            again.verify()
        }
    }

    @Test
    fun extension(mesh: TestMesh, node: Node) = runBlocking {
        mesh.fake("weather") { otherwise { answer("cold") } }
        assertEquals("cold", node.request<String>("weather", "Oslo"))
    }
}
