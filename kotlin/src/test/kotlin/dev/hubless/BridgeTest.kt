package dev.hubless

import dev.hubless.internal.ask
import dev.hubless.internal.emptyObject
import dev.hubless.internal.obj
import dev.hubless.internal.textArray
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.time.Duration.Companion.milliseconds

/** The bridge itself: errors of every kind, bytes and texts there and back, waiting operations. */
class BridgeTest {
    private fun thrown(kind: ErrorKind) = ErrorDetails(
        kind,
        "grüße\u0000 💱",
        code = "on_purpose",
        operation = "bridge",
        field = "content",
        limit = Limit("JSON_DEPTH", 64),
        retry = Retry.After(250.milliseconds),
        agent = "one",
        origin = "ab",
        traceId = "cd",
        pointer = "/a/0",
        candidates = listOf("one", "two"),
    )

    private fun bodyOf(told: ErrorDetails, rejection: Boolean): JsonObject = obj {
        put("kind", told.kind.wire)
        put("message", told.message)
        put("code", told.code)
        put("operation", told.operation)
        put("field", told.field)
        put(
            "limit",
            obj {
                put("name", told.limit?.name)
                put("value", told.limit?.value)
            },
        )
        put("retry", obj { put("afterMs", 250) })
        put("agent", told.agent)
        put("origin", told.origin)
        put("traceId", told.traceId)
        put("pointer", told.pointer)
        put("candidates", textArray(told.candidates))
        put("rejection", rejection)
    }

    private fun check(error: HublessException, told: ErrorDetails, rejection: Boolean) {
        assertEquals(told, error.details)
        assertEquals(rejection, error is Rejected, "$error")
    }

    @Test
    fun `every kind comes back as it was thrown`() = withBridge { bridge ->
        val table = bridge.call("bridge.read", obj { put("what", "kinds") }).body
        val kinds = (table["kinds"] as JsonArray).map { (it as JsonObject)["kind"].toString() }
        assertEquals(kinds, ErrorKind.entries.map { "\"${it.wire}\"" })
        for (kind in ErrorKind.entries) {
            for (rejection in listOf(false, true)) {
                val told = thrown(kind)
                val body = bodyOf(told, rejection)
                check(failure(kind) { bridge.call("bridge.throw", body) }, told, rejection)
                val asked = assertThrows(HublessException::class.java) {
                    ask("bridge.throw", body)
                }
                check(asked, told, rejection)
            }
        }
    }

    @Test
    fun `bytes and texts come back as they went`() = withBridge { bridge ->
        val sent = listOf(0, 1, 64 * 1024, 1024 * 1024).map { size ->
            ByteArray(size) { (it % 251).toByte() }
        }
        val body = obj {
            put("text", "a\u0000b 💱 \uFEFF")
            put(
                "deep",
                obj {
                    put("n", 1.5)
                    put("", JsonNull)
                },
            )
            put("most", (1L shl 53) - 1)
        }
        val back = bridge.call("bridge.echo", body, sent)
        assertEquals(body, back.body)
        assertEquals(sent.map { it.size }, back.attachments.map { it.size })
        for ((one, other) in sent zip back.attachments) assertArrayEquals(one, other)
        assertEquals(body, ask("bridge.echo", body))
    }

    @Test
    fun `a sleep holds up nothing and can be given up`() = withBridge { bridge ->
        val forever = obj { put("ms", FOREVER_MS) }
        val long = launch { bridge.call("bridge.sleep", forever) }
        val left = async { failure(ErrorKind.CLOSED) { bridge.call("bridge.sleep", forever) } }
        // Both are begun before this one, which is through meanwhile.
        assertEquals(emptyObject, bridge.call("bridge.sleep", obj { put("ms", 1) }).body)
        assertEquals(emptyObject, bridge.call("bridge.echo", emptyObject).body)
        assertTrue(long.isActive && left.isActive)
        long.cancelAndJoin()
        assertEquals(emptyObject, bridge.call("bridge.echo", emptyObject).body)
        assertTrue(long.isCancelled && left.isActive)
        bridge.close()
        left.await()
    }

    private companion object {
        /** Longer than all tests: what ends before was ended. */
        const val FOREVER_MS = 3_600_000
    }
}
