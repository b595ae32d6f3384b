package dev.hubless.chaos

import dev.hubless.AgentOptions
import dev.hubless.Allowance
import dev.hubless.CallContext
import dev.hubless.ErrorKind
import dev.hubless.HublessException
import dev.hubless.Spends
import dev.hubless.agent
import dev.hubless.ask
import dev.hubless.hubless
import dev.hubless.serve
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import kotlinx.serialization.json.put
import java.io.BufferedReader
import java.net.UnixDomainSocketAddress
import java.nio.ByteBuffer
import java.nio.channels.Channels
import java.nio.channels.SocketChannel
import kotlin.time.Duration.Companion.seconds

/** The next one may be starting again. */
private val WAIT = 3.seconds

/** The chain's Kotlin part; see `tests/chaos/CHAOS.md`. */
suspend fun main(arguments: Array<String>) = hubless({ name = "kotlin" }) {
    val provider = arguments[arguments.indexOf("--provider") + 1]
    val spending: AgentOptions.() -> Unit = {
        skill {
            id = "link"
            spends = Spends.TOKENS
        }
        requirements { maxConcurrency = 1024 }
    }
    agent<JsonElement, Int>("kotlin.link", configure = spending) {
        link(provider, it.jsonObject)
    }
    println(buildJsonObject { put("event", "ready") })
    System.out.flush()
    serve()
}

private suspend fun CallContext.link(provider: String, asked: JsonObject): Int {
    val mostIn = minOf(asked.number("input"), granted?.inputTokens ?: 0)
    val mostOut = minOf(asked.number("output"), granted?.outputTokens ?: 0)
    return Paying(provider).use { paying ->
        paying.ask("call", "kotlin", asked.text("label"))
        spend(maxInput = mostIn, maxOutput = mostOut).use {
            val (tookIn, tookOut) = paying.ask("spend", mostIn, mostOut)
            it.used(input = tookIn.toLong(), output = tookOut.toLong())
        }
        1 + (asked["next"]?.let { on(it.jsonObject) } ?: 0)
    }
}

/** Calls the next one and gives how many answered; it may be dead, or there may be too little. */
private suspend fun CallContext.on(next: JsonObject): Int {
    val most = next.getValue("max").jsonObject
    try {
        val reply = node.ask(next.text("to"), next.getValue("content")) {
            wait = WAIT
            max = Allowance(
                inputTokens = most.number("inputTokens"),
                outputTokens = most.number("outputTokens"),
                calls = most.number("calls"),
            )
        }
        return reply.value?.jsonPrimitive?.int ?: 0
    } catch (error: HublessException) {
        if (error.kind == ErrorKind.KILLED) throw error
        return 0
    }
}

private fun JsonObject.text(name: String) = getValue(name).jsonPrimitive.content

private fun JsonObject.number(name: String) = getValue(name).jsonPrimitive.long

/** One handler's connection to the provider; says at its end that it ended. */
private class Paying(provider: String) : AutoCloseable {
    private val socket: SocketChannel = SocketChannel.open(UnixDomainSocketAddress.of(provider))
    private val lines: BufferedReader = Channels.newReader(socket, Charsets.UTF_8).buffered()

    suspend fun ask(vararg words: Any): List<String> = withContext(Dispatchers.IO) {
        say(words.joinToString(" "))
        lines.readLine().split(" ")
    }

    override fun close() {
        say("done")
        socket.close()
    }

    private fun say(line: String) {
        val bytes = ByteBuffer.wrap("$line\n".toByteArray())
        while (bytes.hasRemaining()) socket.write(bytes)
    }
}
