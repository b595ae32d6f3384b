package dev.hubless

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import java.nio.file.Files
import java.nio.file.Path

/** The vectors that every language runs, through what users see. */
class VectorsTest {
    private fun vectors(name: String, list: String): List<JsonObject> {
        val text = Files.readString(Path.of("../tests/conformance/vectors/$name.json"))
        return ((Json.parseToJsonElement(text) as JsonObject)[list] as JsonArray)
            .map { it as JsonObject }
            .also { assertTrue(it.isNotEmpty(), "$name has no $list") }
    }

    private fun JsonObject.text(name: String) = (this[name] as? JsonPrimitive)?.content

    @TestFactory
    fun `texts read as the vectors say`(): List<DynamicTest> = listOf(
        "agentIds" to IdentityKind.AGENT_ID,
        "nodeKeys" to IdentityKind.NODE_KEY,
        "meshIds" to IdentityKind.MESH_ID,
        "addresses" to IdentityKind.ADDRESS,
        "names" to IdentityKind.NAME,
        "targets" to IdentityKind.TARGET,
    ).flatMap { (list, kind) ->
        vectors("identity", list).map { row -> dynamicTest("$kind $row") { check(kind, row) } }
    }

    private fun check(kind: IdentityKind, row: JsonObject) {
        val input = row.text("input").orEmpty()
        val code = row.text("code")
        if (code == null) {
            assertEquals(row.text("text"), Hubless.inspectId(input, kind).text)
        } else {
            val error = refused { Hubless.inspectId(input, kind) }
            assertEquals(ErrorKind.INVALID_ARGUMENT to code, error.kind to error.code)
        }
    }

    private fun refused(read: () -> Identity) =
        assertThrows(HublessException::class.java) { read() }

    @Test
    fun `keys have the ids and addresses of the vectors`() {
        for (row in vectors("identity", "keys")) {
            val (id, key) = row.text("agentId").orEmpty() to row.text("publicKey")
            val mesh = row.text("mesh")
            val whole = Identity(id, key, row.text("address"))
            assertEquals(whole, Hubless.inspectId(id, mesh = mesh))
            assertEquals(whole, Hubless.inspectId(id, IdentityKind.AGENT_ID, mesh))
            assertNull(Hubless.inspectId(id).address)
        }
    }

    @Test
    fun `a mesh that is none is named, and nothing is left behind`() {
        val before = Hubless.handles()
        val id = vectors("identity", "keys").first().text("agentId").orEmpty()
        assertEquals("mesh", refused { Hubless.inspectId(id, mesh = "none") }.field)
        val half = refused { Hubless.inspectId("half \uD83D") }
        assertEquals(ErrorKind.INVALID_ARGUMENT, half.kind)
        assertNoneLeft(before)
    }

    @Test
    fun `every bound is told`() {
        val table = Files.readString(Path.of("../core/proto/src/limits.rs"))
        val names = Regex("^ {4}([A-Z][A-Z0-9_]*): .+ = .+;$", RegexOption.MULTILINE)
            .findAll(table).map { it.groupValues[1] }.toList()
        val told = Hubless.limits()
        assertTrue(names.size >= 100, "$names")
        assertEquals(names, told.keys.toList())
        assertEquals(60_000L to 16L, told["DEADLINE"] to told["CALL_DEPTH"])
    }

    @Test
    fun `the kinds are those of the table, in its order`() = assertEquals(
        vectors("errors", "kinds").map { it.text("kind") },
        ErrorKind.entries.map { it.wire },
    )

    @Test
    fun `a handler ends a call with every kind, and the caller learns it all`() = withNode {
        agent<String, String>("fails") {
            throw HublessException(ErrorKind.of(it), "this is $it", "on_purpose")
        }
        agent<String, String>("hopeless") {
            throw HublessException(ErrorKind.of(it), "do not come back", retry = Retry.Never)
        }
        for (row in vectors("errors", "kinds")) {
            val kind = ErrorKind.of(row.text("kind").orEmpty())
            val error = failure(kind) { request<String>("fails", kind.wire) }
            assertTrue(error is Rejected, "$error")
            assertEquals("on_purpose" to "this is ${kind.wire}", error.code to error.message)
            assertEquals(
                if (row.text("retry") ==
                    "later"
                ) {
                    Retry.Later
                } else {
                    Retry.Never
                },
                error.retry,
            )
            val hopeless = failure(kind) { request<String>("hopeless", kind.wire) }
            assertEquals(Retry.Never, hopeless.retry, "$hopeless")
        }
    }
}
