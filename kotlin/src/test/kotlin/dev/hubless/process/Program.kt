package dev.hubless.process

import dev.hubless.testHome
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import java.io.BufferedReader
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

private val END = 5.seconds

/** A program of the tests in a process of its own, with the data folder of this run. */
internal class Program(process: ProcessBuilder) : AutoCloseable {
    val process: Process = process.start()
    val output: BufferedReader = this.process.inputReader()

    /** Waits for its end. */
    fun exitStatus(): Int {
        assertTrue(process.waitFor(20, TimeUnit.SECONDS), "still running")
        return process.exitValue()
    }

    /** Waits for its end in good order, within what that may take, whatever still runs. */
    fun ends() {
        val began = TimeSource.Monotonic.markNow()
        assertEquals(0, exitStatus())
        val took = began.elapsedNow()
        assertTrue(took < END, "ended after $took")
    }

    override fun close() {
        process.destroyForcibly()
    }
}

/** Starts a program. */
internal fun start(main: String, vararg arguments: String): Program = started(
    emptyList(),
    main,
    *arguments,
)

/** Starts a program with flags of its JVM. */
internal fun started(flags: List<String>, main: String, vararg arguments: String): Program {
    val classPath = Files.readString(Path.of("target", "classpath.txt")).trim()
    val java = Path.of(System.getProperty("java.home"), "bin", "java").toString()
    val tuning = arrayOf("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
    val builder =
        ProcessBuilder(
            listOf(java, *tuning) + flags + listOf("-cp", classPath, main, *arguments),
        )
    builder.environment()["HUBLESS_HOME"] = testHome.toString()
    return Program(builder.redirectError(ProcessBuilder.Redirect.INHERIT))
}
