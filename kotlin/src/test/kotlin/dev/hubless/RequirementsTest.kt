package dev.hubless

import dev.hubless.internal.obj
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.add
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonArray
import kotlinx.serialization.json.putJsonObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/** What an agent enforces before its handler runs. */
class RequirementsTest {
    /** A rule, what it is tried on, and the kind of the refusal; null where it is taken. */
    private class Row(
        val what: String,
        val rule: Requirements.() -> Unit,
        val kind: ErrorKind?,
        val input: Any = "x",
        val asked: RequestOptions.() -> Unit = {},
    )

    private val paged = Context(pages = listOf(ContextPage("p", listOf(ContextEntry("a", "b")))))
    private val number = JsonObject(mapOf("type" to JsonPrimitive("number")))
    private val picture = Part.Blob("image/png", ByteArray(3))
    private fun kept(seconds: Int) = buildJsonObject { put("maxRetentionS", seconds) }

    private val rows = listOf(
        Row("pages", { allowMultiPageContext = false }, ErrorKind.CONTEXT) { context = paged },
        Row("pages", { allowMultiPageContext = true }, null) { context = paged },
        Row("a context", { allowCustomContext = false }, ErrorKind.CONTEXT) { context = paged },
        Row("a schema", { allowCustomJson = false }, ErrorKind.JSON, 1) { inputSchema = number },
        Row("a schema", { allowCustomJson = true }, null, 1) { inputSchema = number },
        Row("a new shape", { allowAgentDuplication = false }, ErrorKind.JSON, 1) {
            inputSchema = number
        },
        Row("no conversation", { requireConverse = true }, ErrorKind.PROMPT),
        Row("a conversation", { requireConverse = true }, null, Part.Text("x", Role.USER)),
        Row("a group", { allowedCallers { groups = listOf("chosen") } }, ErrorKind.DENIED),
        Row("a principal", { allowedCallers { principals = listOf("edge:*") } }, ErrorKind.DENIED),
        Row("a principal", { allowedCallers { principals = listOf("*") } }, null),
        Row("blobs", { maxBinaryBytes = 2 }, ErrorKind.TOO_LARGE, picture),
        Row("blobs", { maxBinaryBytes = 3 }, null, picture),
        Row("bytes", { maxRequestBytes = 10 }, ErrorKind.TOO_LARGE, "x".repeat(100)),
        Row("a kind", { acceptedContent = setOf(ContentType.TEXT) }, ErrorKind.CONTENT, picture),
        Row("tokens", { maxTokens = 0 }, ErrorKind.PROMPT),
        Row("a retention", {}, ErrorKind.DENIED) { dataPolicy = kept(1) },
        Row("a retention", {}, null) { dataPolicy = kept(86_400) },
    )

    @TestFactory
    fun `refuses and takes as required`(): List<DynamicTest> = rows.map { row ->
        dynamicTest("${row.what}: ${row.kind?.wire ?: "taken"}") {
            withNode {
                val runs = AtomicInteger()
                val guarded = agent<Content, String>("guarded", configure = {
                    requirements(row.rule)
                }) {
                    runs.incrementAndGet()
                    "in"
                }
                val checked = check(guarded, row.input, row.asked)
                if (row.kind == null) {
                    assertNull(checked)
                    assertEquals("in", request<String>("guarded", row.input, row.asked))
                } else {
                    assertEquals(row.kind, checked?.kind)
                    val refused = failure(row.kind) { ask("guarded", row.input, row.asked) }
                    assertTrue(refused is Rejected, "$refused")
                }
                assertEquals(if (row.kind == null) 1 else 0, runs.get())
            }
        }
    }

    @Test
    fun `beyond its rate an agent is busy and says until when`() = withNode {
        agent<String, String>("seldom", configure = {
            requirements {
                ratePerSecond = 0.01
                rateBurst = 2
            }
        }) { "in" }
        repeat(2) { request<String>("seldom", "x") }
        val refused = failure(ErrorKind.BUSY) { request<String>("seldom", "x") }
        assertTrue((refused.retry as Retry.After).delay > 1.seconds, "${refused.retry}")
    }

    @Test
    fun `an agent that is not to be called from inside its own call is not`() = withNode {
        suspend fun Node.calling(
            name: String,
            again: Boolean,
        ) = agent<Int, String>(name, configure = {
            requirements { reentrant = again }
        }) { n -> if (n == 0) "end" else node.request(name, n - 1) }
        calling("often", true)
        calling("once", false)
        assertEquals("end", request<String>("often", 2))
        failure(ErrorKind.CYCLE) { request<String>("once", 2) }
    }

    @Test
    fun `agents are found and asked in the zones of their node`() = withNode({
        zones = setOf("eu", "on-prem")
    }) {
        agent<String, String>("there") { "in" }
        suspend fun names(zone: String) =
            find(wait = Duration.ZERO) { this.zone = zone }.map { it.name }
        assertEquals(listOf(emptyList<String>(), listOf("there")), listOf(names("us"), names("eu")))
        suspend fun within(vararg zones: String) = request<String>("there", "x") {
            dataPolicy = buildJsonObject {
                putJsonArray("zonesAllowed") { zones.forEach { add(it) } }
            }
        }
        assertEquals("dataPolicy.zonesAllowed", failure(ErrorKind.DENIED) { within("us") }.field)
        assertEquals("in", within("us", "eu"))
    }

    @Test
    fun `a node says its relays and refuses what is none`() = withNode({
        // Nobody is there: the node goes on without it.
        relays = listOf("http://127.0.0.1:9")
    }) {
        assertEquals(listOf("http://127.0.0.1:9"), status().relays)
        agent<String, String>("there") { "in" }
        assertEquals("in", request<String>("there", "x"))
        val many = (1..5).map { "http://127.0.0.1:$it" }
        listOf(listOf("ftp://relay.example"), many).forEach { wrong ->
            val refused = failure(ErrorKind.INVALID_ARGUMENT) {
                Node.start {
                    memoryOnly = true
                    relays = wrong
                }
            }
            assertEquals("relays", refused.field)
        }
    }

    @Test
    fun `the node's own function stands in for no agent's`() = withNode {
        agent<String, String>("open") { "in" }
        val asked = AtomicInteger()
        globalAuth(AuthRule.Function { asked.incrementAndGet() > 0 })
        // By hand: what registers an agent here sends such a rule with a function only.
        val body = obj {
            put("name", "guarded")
            putJsonObject("requirements") { putJsonObject("auth") { put("host", true) } }
        }
        session.call("register", body)
        suspend fun ask(name: String) = request<String>(name, "x") { auth = Credential("own", "x") }
        assertEquals("check_failed", failure(ErrorKind.AUTH) { ask("guarded") }.code)
        assertEquals(0, asked.get())
        assertEquals("in" to 1, ask("open") to asked.get())
    }

    @Test
    fun `who records refuses what must not be recorded`() = withNode {
        agent<String, String>("recorder", configure = { recordsPromptContent = true }) { "in" }
        val refused = failure(ErrorKind.DENIED) {
            request<String>("recorder", "x") {
                dataPolicy = buildJsonObject { put("noRecording", true) }
            }
        }
        assertEquals("dataPolicy.noRecording", refused.field)
    }

    @Test
    fun `one key serves two names only where both allow it`() = withNode {
        suspend fun Node.twin(
            name: String,
            allowed: Boolean,
        ) = agent<String, String>(name, configure = {
            identity = "twins"
            requirements { if (allowed) allowAgentDuplication = true }
        }) { name }
        val first = twin("first", true)
        failure(ErrorKind.CONFLICT) { twin("second", false) }
        assertEquals(first.agentId, twin("third", true).agentId)
    }
}
