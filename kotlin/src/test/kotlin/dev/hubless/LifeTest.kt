package dev.hubless

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.io.path.readText

/** Nodes of a block: open within it, and closed by it. */
class LifeTest {
    private suspend fun <T> block(into: CompletableDeferred<Node>, use: suspend Node.() -> T): T =
        hubless({ home = testHome }) {
            assertFalse(isClosed)
            agent<String, String>("echo") { it }
            assertEquals("x", request<String>("echo", "x"))
            into.complete(this)
            use()
        }

    private suspend fun assertClosed(node: Node) {
        assertTrue(node.isClosed)
        failure(ErrorKind.CLOSED) { node.request<String>("echo", "x") }
    }

    @Test
    fun `the node of a block is closed at its end, however it ends`() {
        val before = Hubless.handles()
        runBlocking {
            val (first, second, third) = List(3) { CompletableDeferred<Node>() }
            assertEquals("done", block(first) { "done" })
            assertClosed(first.await())
            val broken = runCatching { block(second) { error("broken on purpose") } }
            assertEquals("broken on purpose", broken.exceptionOrNull()?.message)
            assertClosed(second.await())
            val running = launch(Dispatchers.Default) { block(third) { awaitCancellation() } }
            third.await()
            running.cancelAndJoin()
            assertClosed(third.await())
        }
        assertNoneLeft(before)
    }

    @Test
    fun `spans go to the file that the node names`() {
        val spans = testHome.resolve("spans.jsonl")
        var traceId = ""
        withNode({ trace = spans.toString() }) {
            agent<String, String>("echo") { it }
            traceId = ask("echo", "x").traceId
        }
        assertEquals(32, traceId.length)
        assertTrue(traceId in spans.readText())
    }

    @Test
    fun `a handler that fails ends neither its node nor the scope of it`() = withNode {
        coroutineScope {
            hubless({
                home = testHome
                scope = this@coroutineScope
            }) {
                agent<String, String>("broken") { error("broken on purpose") }
                agent<String, String>("fine") { it }
                repeat(3) { failure(ErrorKind.HANDLER_FAILED) { request<String>("broken", "x") } }
                assertEquals("y", request<String>("fine", "y"))
            }
        }
    }
}
