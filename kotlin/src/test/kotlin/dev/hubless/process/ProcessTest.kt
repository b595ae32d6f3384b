package dev.hubless.process

import dev.hubless.ErrorKind
import dev.hubless.Filter
import dev.hubless.failure
import dev.hubless.find
import dev.hubless.peer
import dev.hubless.request
import dev.hubless.testHome
import dev.hubless.withNode
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.runInterruptible
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.file.Files
import java.nio.file.Path
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** Programs of their own: how they end, and how two of them talk. */
class ProcessTest {
    @Test
    fun `a program ends by itself with an idle node open`() {
        start("dev.hubless.process.Idle").use { program ->
            assertEquals("ready", program.output.readLine())
            program.ends()
        }
    }

    @Test
    fun `a program ends by itself with a request pending`() {
        start("dev.hubless.process.Pending").use { program ->
            assertEquals("ready", program.output.readLine())
            program.ends()
        }
    }

    @Test
    fun `a program ends by itself with switches watched`() {
        start("dev.hubless.process.Watching").use { program ->
            assertEquals("ready", program.output.readLine())
            program.ends()
            assertEquals(emptyList<String>(), program.output.readLines())
        }
    }

    @Test
    fun `the library is unpacked where it is told to and leaves nothing there`() {
        val folder = Files.createTempDirectory(testHome, "native")
        started(listOf("-Dhubless.native.tmp=$folder"), "dev.hubless.process.Idle").use { program ->
            assertEquals("ready", program.output.readLine())
            assertEquals(0, program.exitStatus())
        }
        assertEquals(emptyList<Path>(), Files.list(folder).use { it.toList() })
        val missing = "-Dhubless.native.tmp=$folder/missing"
        started(listOf(missing), "dev.hubless.process.Idle").use {
            assertEquals(1, it.exitStatus())
        }
        val library = Path.of("src/main/resources/linux-x86-64/libhubless_jvm.so")
        val named = "-Dhubless.native.path=$library"
        started(listOf(named, missing), "dev.hubless.process.Idle").use { program ->
            assertEquals("ready", program.output.readLine())
            assertEquals(0, program.exitStatus())
        }
    }

    @Test
    fun `a hundred thousand callbacks leave no local reference behind`() {
        // With this flag the JVM says on standard output what a native function did not give back.
        val checked = listOf("-Xcheck:jni")
        started(checked, "dev.hubless.process.Crossings").use { program ->
            val lines = program.output.readLines()
            assertEquals("handled 35000, handles 0", lines.last())
            assertEquals(emptyList<String>(), lines.filter { LEFT_BEHIND in it })
            assertEquals(0, program.exitStatus())
        }
        started(checked, "dev.hubless.process.Crossings", "leak").use { program ->
            assertTrue(program.output.readLines().any { LEFT_BEHIND in it }, "not noticed")
        }
    }

    @Test
    fun `records of the core reach the program's own logging, at the level it wants`() {
        fun logged(level: String): List<String> {
            val flags = listOf("logFile=System.out", "log.dev.hubless=$level")
                .map { "-Dorg.slf4j.simpleLogger.$it" }
            return started(flags, "dev.hubless.process.Failing").use { it.output.readLines() }
        }
        val all = logged("trace")
        assertTrue(all.any { "INFO dev.hubless.core." in it }, all.joinToString("\n"))
        assertTrue(all.any { "DEBUG dev.hubless.core." in it }, all.joinToString("\n"))
        assertTrue(all.any { "dev.hubless.handlers - a handler failed" in it })
        assertTrue(all.none { "a payload" in it })
        assertEquals(emptyList<String>(), logged("error"))
    }

    @Test
    fun `a program that is told to stop lets its calls end`() {
        start("dev.hubless.process.Draining").use { program ->
            assertEquals("ready", program.output.readLine())
            withNode {
                coroutineScope {
                    val answer = async { request<String>("draining", "?") { wait = 20.seconds } }
                    val line = runInterruptible(Dispatchers.IO) { program.output.readLine() }
                    assertEquals("running", line)
                    program.process.destroy()
                    assertEquals("done", answer.await())
                }
                val status = withContext(Dispatchers.IO) { program.exitStatus() }
                assertEquals(SIGTERM_STATUS, status)
                failure(ErrorKind.NOT_FOUND) {
                    request<String>("draining", "?") { wait = 50.milliseconds }
                }
            }
        }
    }

    @Test
    fun `a killed program is gone from every find`() {
        start("dev.hubless.process.Draining").use { program ->
            assertEquals("ready", program.output.readLine())
            withNode {
                val named = Filter.field("name") eq "draining"
                assertEquals("draining", peer(wait = 20.seconds) { where(named) }.name)
                program.process.destroyForcibly().waitFor()
                dev.hubless.eventually("gone") {
                    find(wait = 0.seconds) { where(named) }.isEmpty()
                }
            }
        }
    }

    @Test
    fun `the ten-line programs talk`() {
        start("HelloAgentKt").use { agent ->
            awaitAgent("greet")
            start("HelloCallerKt", "Kotlin").use { caller ->
                assertEquals("hello Kotlin", caller.output.readLine())
                assertEquals(0, caller.exitStatus())
            }
            agent.process.outputStream.close()
            assertEquals(0, agent.exitStatus())
        }
    }

    @Test
    fun `the program of the guide to budgets runs`() {
        start("HelloAgentKt").use { agent ->
            awaitAgent("greet")
            start("BudgetKt").use { caller ->
                assertEquals("hello Ada, after 1 of 50 calls", caller.output.readLine())
                assertEquals(0, caller.exitStatus())
            }
            agent.process.outputStream.close()
            assertEquals(0, agent.exitStatus())
        }
    }

    @Test
    fun `the checker of the demo finds an altered figure`() {
        start("dev.hubless.demo.CheckerKt").use { checker ->
            assertTrue("\"event\":\"ready\"" in checker.output.readLine())
            withNode { checkAltered(this) }
            checker.process.outputStream.close()
            assertEquals(0, checker.exitStatus())
        }
    }

    /** Waits for the agent of another program: who asks in an example gives up after a second. */
    private fun awaitAgent(name: String) = withNode {
        val named = Filter.field("name") eq name
        peer(wait = 20.seconds) { where(named) }
    }

    private companion object {
        const val SIGTERM_STATUS = 128 + 15
        const val LEFT_BEHIND = "JNI local refs"
    }
}
