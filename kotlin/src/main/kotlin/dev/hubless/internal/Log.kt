package dev.hubless.internal

import kotlinx.coroutines.Dispatchers
import kotlinx.serialization.json.JsonObject
import org.slf4j.Logger
import org.slf4j.LoggerFactory
import org.slf4j.event.Level
import kotlin.coroutines.EmptyCoroutineContext

/**
 * Logging into the host's SLF4J; nothing here is ever printed by ourselves. What a pull thread has
 * to say goes through [say]: an appender is the user's code.
 */
internal object Log {
    private const val ROOT = "dev.hubless"
    private const val LINES = 4_096
    private val core: Logger = LoggerFactory.getLogger("$ROOT.core")

    /** Handlers and their failures. */
    val handlers: Logger = LoggerFactory.getLogger("$ROOT.handlers")

    /** The event thread. */
    val events: Logger = LoggerFactory.getLogger("$ROOT.events")

    // Threads that may block, made when they are needed.
    private val lines = LogLines(
        LINES,
        { Dispatchers.IO.dispatch(EmptyCoroutineContext, it) },
        { events.warn("{} lines were lost: the logging is behind", it) },
    )

    /** Logs at once, or, where that is begun on a pull thread, on another one. */
    fun say(line: Runnable) {
        if (Thread.currentThread() is PullThread) lines.add(line) else line.run()
    }

    /** The finest level that the host's logging wants of the core, as the contract names it. */
    fun wanted(): String = when {
        core.isTraceEnabled -> "trace"
        core.isDebugEnabled -> "debug"
        core.isInfoEnabled -> "info"
        core.isWarnEnabled -> "warn"
        else -> "error"
    }

    /** Writes a `log` event; its fields become SLF4J key-value pairs. */
    fun write(body: JsonObject) {
        val level = when (body.text("level")) {
            "error" -> Level.ERROR
            "warn" -> Level.WARN
            "info" -> Level.INFO
            "debug" -> Level.DEBUG
            else -> Level.TRACE
        }
        val target = body.text("target").orEmpty().replace("::", ".")
        var entry = LoggerFactory.getLogger("$ROOT.core.$target").atLevel(level)
        body.child("fields")?.forEach { (name, value) -> entry = entry.addKeyValue(name, value) }
        entry.log(body.text("message").orEmpty())
    }
}
