package dev.hubless.internal

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.TimeUnit

/** The bridge itself, function by function, below the facade. */
class NativeBoundaryTest {
    private fun next(session: Long): Event =
        Event.batch(checkNotNull(Native.nextEvents(session, 1))).single()

    private fun withSession(block: (Long) -> Unit) {
        val session = Native.open()
        try {
            block(session)
        } finally {
            Native.close(session)
        }
    }

    private fun submit(session: Long, ticket: Long, op: String, body: String) =
        Native.submit(session, ticket, op.toByteArray(), body.toByteArray(), null)

    @Test
    fun `gives its version`() = assertTrue(
        String(Native.version()).matches(Regex("\\d+\\.\\d+\\.\\d+")),
    )

    @Test
    fun `a panic becomes an exception and the next call is served`() {
        val error = assertThrows(RuntimeException::class.java) { Native.panicNow() }
        assertTrue("asked for by a test" in error.message.orEmpty(), error.message)
        assertTrue(Native.version().isNotEmpty())
    }

    @Test
    fun `an unknown operation or a body that is no object is invalid`() = withSession { session ->
        for ((op, body) in listOf("no.such" to "{}", "node.start" to "[]", "node.start" to "{")) {
            assertTrue(submit(session, 1, op, body))
            val event = next(session)
            assertEquals(Event.FAILED, event.kind)
            assertEquals(1, event.ticket)
            assertEquals("invalid_argument", event.body.text("kind"), "$op $body")
        }
    }

    @Test
    fun `bytes that are not text and null characters are refused`() = withSession { session ->
        val bodies =
            listOf(byteArrayOf(-1, -2), "{\"to\":\"a\\u0000b\"}".toByteArray(), ByteArray(0))
        for (body in bodies) {
            assertTrue(Native.submit(session, 7, "request".toByteArray(), body, null))
            assertEquals(Event.FAILED, next(session).kind)
        }
        val op = byteArrayOf(-1, 0, -2)
        assertTrue(Native.submit(session, 8, op, "{}".toByteArray(), null))
        assertEquals("invalid_argument", next(session).body.text("kind"))
    }

    @Test
    fun `null arguments are exceptions`() = withSession { session ->
        val submit = Native::class.java.declaredMethods.single { it.name == "submit" }
        val thrown = assertThrows(java.lang.reflect.InvocationTargetException::class.java) {
            submit.invoke(null, session, 1L, null, null, null)
        }
        assertTrue(thrown.targetException is RuntimeException, thrown.targetException.toString())
    }

    @Test
    fun `a closed, foreign or never opened session is refused`() {
        val session = Native.open()
        Native.close(session)
        Native.close(session)
        for (handle in listOf(session, 0L, -1L, Long.MAX_VALUE)) {
            assertFalse(submit(handle, 1, "node.status", "{}"))
            assertNull(Native.nextEvents(handle, 1))
            Native.cancel(handle, 1)
            Native.close(handle)
        }
    }

    @Test
    fun `a sleep ends once, given up or with its session`() {
        val session = Native.open()
        for (ticket in 1L..2L) {
            assertTrue(submit(session, ticket, "bridge.sleep", "{\"ms\":3600000}"))
        }
        Native.cancel(session, 1)
        val ended = next(session)
        assertEquals(Event.FAILED to 1L, ended.kind to ended.ticket)
        assertEquals("cancelled", ended.body.text("kind"))
        Native.close(session)
        val closed = next(session)
        assertEquals(Event.FAILED to 2L, closed.kind to closed.ticket)
        assertEquals("closed", closed.body.text("kind"))
        assertNull(Native.nextEvents(session, 1))
    }

    @Test
    fun `close ends a thread that waits for events`() {
        val session = Native.open()
        val thread = Thread {
            do {
                val batch = Native.nextEvents(session, 16)
            } while (batch != null)
        }.apply { start() }
        Native.close(session)
        thread.join(TimeUnit.SECONDS.toMillis(5))
        assertFalse(thread.isAlive)
    }

    @Test
    fun `no session outlives its close`() {
        val before = Native.handles()
        repeat(100) { Native.close(Native.open()) }
        assertEquals(before, Native.handles())
    }

    @Test
    fun `a hundred thousand crossings leave no reference behind`() = withSession { session ->
        // Each call makes local references; a leak of them ends in a crash or, under
        // -Xcheck:jni, in a warning; the attachments are given back before each return.
        val body = "{}".toByteArray()
        val op = "no.such".toByteArray()
        val attachments = Array(8) { ByteArray(16) }
        var taken = 0
        var ticket = 0L
        while (taken < CROSSINGS) {
            repeat(BATCH) { Native.submit(session, ++ticket, op, body, attachments) }
            val end = taken + BATCH
            while (taken < end) {
                taken += Event.batch(checkNotNull(Native.nextEvents(session, BATCH))).size
            }
        }
        assertEquals(CROSSINGS, taken)
    }

    private companion object {
        const val CROSSINGS = 100_000
        const val BATCH = 500
    }
}
