package dev.hubless.bench

import dev.hubless.Node
import dev.hubless.Reply
import dev.hubless.agent
import dev.hubless.ask
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.yield
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

private const val NAME = "bench"
private const val FIRST_SIZE = 64

/** The measuring program in Kotlin: agent, caller, or both; see `tests/bench/BENCH.md`. */
fun main(arguments: Array<String>) {
    runBlocking(Dispatchers.Default) { run(arguments.first()) }
    // Whatever threads a library has left.
    exitProcess(0)
}

private suspend fun run(role: String) {
    val began = TimeSource.Monotonic.markNow()
    val node = Node.start()
    if (role != "caller") {
        node.agent<JsonElement, JsonElement>(NAME) { value ->
            // One trip through its event loop.
            yield()
            value
        }
    }
    val caller = Caller { body -> node.reply(body) }
    var cold: Double? = null
    if (role != "agent") {
        caller.once("x".repeat(FIRST_SIZE))
        cold = began.elapsedNow().inWholeMicroseconds / THOUSAND
    }
    say(
        buildJsonObject {
            put("ready", true)
            cold?.let { put("cold_ms", it) }
        },
    )
    while (true) {
        val line = readlnOrNull() ?: break
        say(answer(caller, line.trim().split(' ')))
    }
    node.close(1.seconds)
}

private suspend fun Node.reply(body: String): Reply =
    ask(NAME, buildJsonObject { put("body", body) })

private suspend fun answer(caller: Caller, words: List<String>): JsonObject {
    val numbers = words.drop(1).map { it.toInt() }
    return when (words.first()) {
        "rtt" -> caller.roundTrips(numbers[0], numbers[1], numbers[2])
        "stages" -> caller.stages(numbers[0], numbers[1])
        "load" -> caller.load(numbers[0], numbers[1], numbers[2].milliseconds)
        "arrivals" -> caller.arrivals(numbers[0], numbers[1], numbers[2].milliseconds)
        "big" -> caller.big(numbers[0])
        else -> buildJsonObject {
            put("error", "expected a command of tests/bench/BENCH.md, got $words")
        }
    }
}

private fun say(line: JsonObject) {
    println(line)
    System.out.flush()
}
