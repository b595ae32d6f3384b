package dev.hubless.testing

import dev.hubless.ErrorKind
import dev.hubless.Hubless
import dev.hubless.Node
import dev.hubless.agent
import dev.hubless.ask
import dev.hubless.assertNoneLeft
import dev.hubless.failure
import dev.hubless.request
import dev.hubless.withNode
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNotSame
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.ExtendWith
import java.nio.file.Path
import kotlin.io.path.exists
import kotlin.io.path.readText
import kotlin.io.path.writeText

/** Test meshes, fake peers, recordings, and the extension of JUnit. */
@ExtendWith(HublessExtension::class)
class TestMeshTest {
    @Test
    fun `a mesh meets nobody else and is removed at its end`() = withNode {
        agent<String, String>("outside") { "outside" }
        assertEquals("outside", request<String>("outside", "?"))
        val outside = this
        val before = Hubless.handles()
        var home = Path.of("")
        testMesh {
            home = this.home
            val other = start()
            assertEquals(node.meshId, other.meshId)
            assertNotEquals(outside.meshId, other.meshId)
            fake("inside") { otherwise { answer(1) } }
            assertEquals(1, other.request<Int>("inside", "?"))
            failure(ErrorKind.NOT_FOUND) { other.request<String>("outside", "?") }
            assertTrue(home.exists())
        }
        assertFalse(home.exists())
        assertNoneLeft(before)
    }

    @Test
    fun `the home is removed where the end is cancelled`() = runBlocking {
        val mesh = TestMesh.start()
        mesh.start()
        assertTrue(mesh.home.exists())
        val ending = launch(start = CoroutineStart.UNDISPATCHED) { mesh.end() }
        ending.cancelAndJoin()
        assertFalse(mesh.home.exists())
    }

    @Test
    fun `a fake answers by its steps and names what does not fit`(mesh: TestMesh) = runBlocking {
        val (node, fake) = mesh.node to mesh.fake("weather", listOf("forecast"), setOf("sky")) {
            step(contains = mapOf("city" to "Oslo")) { answer(mapOf("tempC" to 7)) }
            step {
                progress("half", 0.5)
                chunk("be")
                chunk("gin")
                usage(inputTokens = 5)
            }
            step(value = "x") { fail(ErrorKind.DENIED, "not you", code = "tea") }
        }
        val oslo = node.ask("weather", mapOf("city" to "Oslo"))
        assertEquals(JsonObject(mapOf("tempC" to JsonPrimitive(7))), oslo.content.value)
        assertEquals(5, node.ask("weather", "anything").usage.inputTokens)
        val unmet = failure(ErrorKind.CONFLICT) { fake.verify() }
        assertEquals("script_unmet", unmet.code)
        val denied = failure(ErrorKind.DENIED) { node.ask("weather", "x") }
        assertEquals("tea", denied.code)
        fake.verify()
        val more = failure(ErrorKind.HANDLER_FAILED) { node.ask("weather", "more") }
        assertEquals("script_used_up", more.code)
        assertTrue("value \"more\"; nothing is left" in more.message.orEmpty(), more.message)
        val asked = fake.asked()
        assertEquals(listOf(0, 1, 2, null), asked.map { it.step })
        assertEquals(JsonPrimitive("anything"), asked[1].value)
        val endings = listOf(Ending.ANSWERED, Ending.ANSWERED, Ending.FAILED, Ending.REFUSED)
        assertEquals(endings, asked.map { it.ending })
        assertEquals(4, fake.count())
    }

    @Test
    fun `a held answer waits for its gate`(mesh: TestMesh) = runBlocking {
        val fake = mesh.fake("slow") {
            step {
                hold = "door"
                answer(1)
            }
        }
        coroutineScope {
            val call = async { mesh.node.request<Int>("slow", 7) }
            assertEquals(Ending.OPEN, fake.asked(atLeast = 1).single().ending)
            assertFalse(call.isCompleted)
            val wrong = failure(ErrorKind.INVALID_ARGUMENT) { fake.release("window") }
            assertEquals("gate", wrong.field)
            fake.release("door")
            assertEquals(1, call.await())
        }
    }

    @Test
    fun `a recording is replayed without the peer`(mesh: TestMesh) = runBlocking {
        val real = mesh.node.agent<Map<String, String>, Map<String, String>>("weather") {
            mapOf("city" to it.getValue("city"), "apiKey" to "canary-key")
        }
        val recorder = mesh.record("weather", name = "recorded", redact = setOf("badge"))
        val question = { city: String, secret: String ->
            mapOf("city" to city, "password" to secret, "badge" to secret)
        }
        mesh.node.ask("recorded", question("Oslo", "canary-word"))
        mesh.node.ask("recorded", question("Rome", "canary-word"))
        val path = mesh.home.resolve("weather.json")
        assertEquals(2, recorder.save(path))
        real.unregister()
        assertFalse("canary" in path.readText())

        val strict = mesh.replay(path)
        val early = failure(ErrorKind.HANDLER_FAILED) {
            mesh.node.ask("weather", question("Rome", "other"))
        }
        assertEquals("script_unmatched", early.code)
        mesh.node.ask("weather", question("Oslo", "other"))
        mesh.node.ask("weather", question("Rome", "other"))
        strict.unregister()
        mesh.replay(path, mode = ScriptMode.LOOSE)
        for (city in listOf("Rome", "Oslo", "Rome")) {
            val reply = mesh.node.ask("weather", question(city, "x"))
            assertEquals(JsonPrimitive(city), (reply.content.value as JsonObject)["city"])
        }
    }

    @Test
    fun `a script is read from JSON or refused with its place`(mesh: TestMesh) = runBlocking {
        mesh.fake("one", """{"steps": [{"answer": {"value": 1}}]}""")
        assertEquals(1, mesh.node.request<Int>("one", "?"))
        val wrong = failure(ErrorKind.INVALID_ARGUMENT) {
            mesh.fake("two", """{"steps": [{"answr": 1}]}""")
        }
        assertEquals("script.steps.0.answr", wrong.field)
        val path = mesh.home.resolve("broken.json")
        path.writeText("{")
        assertEquals("bad_file", failure(ErrorKind.CONFIGURATION) { mesh.replay(path) }.code)
    }

    @Test
    fun `a test has one mesh and its node`(mesh: TestMesh, node: Node) {
        assertSame(mesh.node, node)
        last?.let { assertNotSame(it, mesh) }
        last = mesh
    }

    @Test
    fun `another test has another mesh`(mesh: TestMesh) = `a test has one mesh and its node`(
        mesh,
        mesh.node,
    )

    private companion object {
        var last: TestMesh? = null

        @JvmStatic
        @AfterAll
        fun `the mesh of a test is closed after it`() {
            val mesh = checkNotNull(last)
            assertFalse(mesh.home.exists())
            assertTrue(mesh.node.isClosed)
        }
    }
}
