package dev.hubless

import dev.hubless.internal.Session
import dev.hubless.internal.flag
import dev.hubless.internal.long
import dev.hubless.internal.obj
import dev.hubless.internal.present
import dev.hubless.internal.text
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.put
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.listDirectoryEntries
import kotlin.io.path.nameWithoutExtension

/**
 * The vectors that the core reads, through the bridge: every list of every file. What is text in
 * `identity.json` is read in [VectorsTest], by what users see.
 */
class ReadingsTest {
    /** Reads byte strings of a row. */
    private class Reader(private val bridge: Session, val row: JsonObject) {
        suspend fun read(what: String, vararg names: String, nowMs: Long = 0): JsonObject {
            val bytes = names.map { unhex(row.text(it).orEmpty()) }
            return readBytes(what, bytes, nowMs)
        }

        private fun unhex(text: String) =
            text.chunked(2).map { it.toInt(16).toByte() }.toByteArray()

        suspend fun readBytes(what: String, bytes: List<ByteArray>, nowMs: Long): JsonObject {
            val body = obj {
                put("what", what)
                put("nowMs", nowMs)
            }
            return bridge.call("bridge.read", body, bytes).body
        }

        /** Checks that a reading says these members of the row, and no other. */
        fun says(said: JsonObject, vararg names: String) = assertEquals(only(*names), said)

        fun only(vararg names: String) = JsonObject(names.associateWith { row.getValue(it) })

        /** Checks that a reading is refused as [refusal] says, or says these members. */
        suspend fun decides(
            refusal: JsonObject?,
            vararg names: String,
            reading: suspend () -> JsonObject,
        ) {
            if (refusal == null) return says(reading(), *names)
            val error = failure(ErrorKind.of(refusal.text("kind").orEmpty())) { reading() }
            assertEquals(refusal.text("code").orEmpty(), error.code.orEmpty(), "$row")
            if ("field" in refusal) assertEquals(refusal.text("field"), error.field, "$row")
        }

        val refusal get() = row.present("refused") as JsonObject?
    }

    private fun frames(vararg rows: JsonElement) =
        JsonObject(mapOf("frames" to JsonArray(rows.asList())))

    private fun list(file: String, list: String, check: suspend Reader.() -> Unit) =
        (file to list) to check

    private suspend fun record(reader: Reader) = with(reader) {
        val nowMs = row.long("nowMs") ?: 0
        decides(refusal, "author", "seq", "issuedAtMs", "expiresAtMs", "body") {
            read(row.text("kind").orEmpty(), "signed", "signature", nowMs = nowMs)
        }
        says(read("digest", "signed"), "digest")
    }

    /** By file and list: how a row is checked. */
    private val checks = mapOf(
        list("records", "taken") { record(this) },
        list("records", "refused") { record(this) },
        list("frames", "taken") {
            assertEquals(frames(only("type", "number", "message")), read("frames", "bytes"))
        },
        list("frames", "data") {
            val type = mapOf("type" to JsonPrimitive("data"), "number" to JsonPrimitive(34))
            val one = JsonObject(type + only("index", "chunk"))
            assertEquals(frames(one), read("frames", "bytes"))
        },
        list("frames", "skipped") { assertEquals(frames(), read("frames", "bytes")) },
        list("frames", "refused") { decides(row) { read("frames", "bytes") } },
        list("identity", "keys") {
            val said = read("key", "seed", "mesh")
            says(said, "publicKey", "agentId", "nodeKey", "mesh", "address")
        },
        list("identity", "signatures") {
            val refused = obj {
                put("kind", "auth")
                put("code", "bad_signature")
            }
            decides(refused.takeUnless { row.flag("valid") }) {
                read("signature", "publicKey", "tag", "message", "signature")
            }
        },
        list("killswitch", "budgets") {
            says(read("budget", "root", "nonce"), "budget", "account")
        },
        list("killswitch", "terms") {
            val text = row.text("text").orEmpty().encodeToByteArray()
            decides(refusal) { readBytes("terms", listOf(text), 0) }
        },
        list("killswitch", "messages") { says(read("ledger", "bytes"), "message") },
        list("killswitch", "trips") {
            decides(refusal, "budget") { read("trip", "signed", "signature") }
        },
        list("killswitch", "codes") {
            val text = row.text("text").orEmpty().encodeToByteArray()
            decides(refusal, "issuer", "grant", "digest", "amount", "untilMs") {
                readBytes("redeem_code", listOf(text), 0)
            }
        },
    )

    /** Whole tables: what they are read as. */
    private val tables = mapOf(
        "frames" to "types" to "frame_types",
        "errors" to "kinds" to "kinds",
        "codes" to "codes" to "codes",
    )

    private fun vectors(file: String) =
        Json.parseToJsonElement(Files.readString(FOLDER.resolve("$file.json"))) as JsonObject

    @Test
    fun `no file and no list of the vectors is left out`() {
        val known = checks.keys + tables.keys
        val files = FOLDER.listDirectoryEntries("*.json").map { it.nameWithoutExtension }
        assertEquals(known.map { it.first }.toSet(), files.toSet())
        for (file in files) {
            val own = known.filter { it.first == file }.map { it.second }.toSet()
            assertEquals(own + ELSEWHERE[file].orEmpty(), vectors(file).keys, file)
        }
    }

    @TestFactory
    fun `the core reads what the vectors say`(): List<DynamicTest> = checks.map { (place, check) ->
        dynamicTest("$place") { checkAll(place, check) }
    }

    private fun checkAll(place: Pair<String, String>, check: suspend Reader.() -> Unit) =
        withBridge { bridge ->
            val found = vectors(place.first).getValue(place.second)
            val rows = (found as? JsonArray) ?: listOf(found)
            var checked = 0
            for (row in rows) {
                Reader(bridge, row as JsonObject).check()
                checked++
            }
            assertTrue(checked > 0)
            assertEquals(rows.size, checked)
        }

    @TestFactory
    fun `the tables are those of the core`(): List<DynamicTest> = tables.map { (place, what) ->
        dynamicTest("$place") {
            withBridge { bridge ->
                val (file, list) = place
                val rows = vectors(file).getValue(list) as JsonArray
                assertTrue(rows.isNotEmpty())
                val said = bridge.call("bridge.read", obj { put("what", what) }).body
                assertEquals(JsonObject(mapOf(list to rows)), said)
            }
        }
    }

    @Test
    fun `what is read as nothing is refused`() = withBridge { bridge ->
        for ((what, field) in mapOf("odd" to "what", "trip" to "bytes")) {
            val error = failure(ErrorKind.INVALID_ARGUMENT) {
                bridge.call("bridge.read", obj { put("what", what) })
            }
            assertEquals(field, error.field)
        }
    }

    private companion object {
        val FOLDER: Path = Path.of("../tests/conformance/vectors")

        /** Lists that hold texts alone. */
        val ELSEWHERE = mapOf(
            "identity" to
                setOf("agentIds", "nodeKeys", "meshIds", "addresses", "names", "targets"),
        )
    }
}
