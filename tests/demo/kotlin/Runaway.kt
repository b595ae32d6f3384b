package dev.hubless.demo

import dev.hubless.AgentOptions
import dev.hubless.CallContext
import dev.hubless.Content
import dev.hubless.ErrorKind
import dev.hubless.HublessException
import dev.hubless.Spends
import dev.hubless.agent
import dev.hubless.ask
import dev.hubless.hubless
import dev.hubless.serve
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import java.net.InetAddress
import java.net.Socket

private const val NEXT = "c.runaway"
private const val FEW = 4

/** The runaway's Kotlin part; see `tests/demo/RUNAWAY.md`. */
suspend fun main(arguments: Array<String>) = hubless {
    val port = arguments[arguments.indexOf("--provider") + 1].toInt()
    val thinking: AgentOptions.() -> Unit = {
        skill {
            id = "think"
            spends = Spends.TOKENS
        }
        requirements { maxConcurrency = 1024 }
    }
    agent<Content, Unit>("kotlin.runaway", configure = thinking) { think(port) }
    val watching: AgentOptions.() -> Unit = {
        skill {
            id = "watch"
            spends = Spends.NONE
        }
    }
    agent<Content, Unit>("kotlin.watcher", configure = watching) { watch() }
    say("ready")
    serve()
}

private suspend fun CallContext.think(port: Int) {
    val left = granted?.outputTokens
        ?: throw HublessException(ErrorKind.BUDGET_EXHAUSTED, "expected a budget of tokens")
    val most = if (left <= FEW) left else left / FEW
    spend(maxOutput = most).use { it.used(output = write(port, most)) }
    if (left <= FEW) return
    coroutineScope { repeat(2) { launch { on() } } }
}

/** Calls the next one; that there is nothing left for it is no reason to stop. */
private suspend fun CallContext.on() {
    try {
        node.ask(NEXT, "")
    } catch (error: HublessException) {
        if (error.kind != ErrorKind.BUDGET_EXHAUSTED) throw error
    }
}

private suspend fun watch() {
    say("watching")
    try {
        awaitCancellation()
    } finally {
        say("stopped")
    }
}

/** Asks the provider, and gives the number of tokens that it wrote. */
private suspend fun write(port: Int, most: Long): Long = withContext(Dispatchers.IO) {
    Socket(InetAddress.getLoopbackAddress(), port).use { socket ->
        socket.getOutputStream().write("kotlin $most\n".toByteArray())
        socket.getInputStream().bufferedReader().readLine().toLong()
    }
}

private fun say(event: String) {
    val line = buildJsonObject {
        put("event", event)
        put("at_ms", System.currentTimeMillis())
    }
    println(line)
    System.out.flush()
}
