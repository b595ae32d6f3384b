package dev.hubless.process

import dev.hubless.Filter
import dev.hubless.Node
import dev.hubless.agent
import dev.hubless.find
import dev.hubless.request
import dev.hubless.withNode
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.runInterruptible
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** What a program must withstand: handlers that hold its threads, and texts beyond its memory. */
class BoundaryTest {
    private suspend fun Program.line(): String =
        runInterruptible(Dispatchers.IO) { output.readLine() }

    @Test
    fun `a node brings one thread along and no pool`() {
        start("dev.hubless.process.Threads").use { program ->
            val lines = program.output.readLines()
            assertEquals(listOf("[hubless-events]", "true", "[]", "true"), lines)
            assertEquals(0, program.exitStatus())
        }
    }

    @Test
    fun `a handler that holds a thread stops neither its node nor its neighbours`() {
        start("dev.hubless.process.Holding").use { program ->
            assertEquals("ready", program.output.readLine())
            withNode {
                var asked = 0
                coroutineScope {
                    val held = async { request<String>("holding", "x") { wait = 20.seconds } }
                    assertEquals("held", program.line())
                    while (held.isActive) {
                        assertEquals("y", request<String>("beside", "y"))
                        assertEquals(setOf("holding", "beside"), listed())
                        delay(20.milliseconds)
                        asked++
                    }
                    assertEquals("let go", held.await())
                }
                assertTrue(asked > 20, "asked $asked times")
            }
            program.process.outputStream.close()
            assertEquals(0, program.exitStatus())
        }
    }

    private suspend fun Node.listed(): Set<String> = find(wait = Duration.ZERO) {
        where(Filter.field("name") isIn listOf("holding", "beside"))
    }.map { it.name }.toSet()

    @Test
    fun `a huge text is refused with its bound, and one at the bound arrives`() {
        val bound = 64 shl 20
        for ((size, said) in listOf(
            bound - 1_024 to "${bound - 1_024}",
            bound + 1 to "too_large REQUEST_BYTES $bound",
        )) {
            started(listOf("-Xmx2g"), "dev.hubless.process.Huge", "$size").use { program ->
                assertEquals(listOf(said, "5"), program.output.readLines())
                assertEquals(0, program.exitStatus())
            }
        }
    }

    @Test
    fun `who asks for more than the memory holds does not wait for ever`() = withNode {
        agent<Int, String>("large") { "x".repeat(it) }
        val small = listOf("-Xmx24m", "-Dorg.slf4j.simpleLogger.log.dev.hubless=off")
        started(small, "dev.hubless.process.Flooded", "${16 shl 20}").use { program ->
            assertEquals("5", program.line())
            val ends = setOf("closed", "OutOfMemoryError")
            repeat(2) { program.line().let { assertTrue(it in ends, it) } }
            assertEquals(0, runInterruptible(Dispatchers.IO) { program.exitStatus() })
        }
    }
}
