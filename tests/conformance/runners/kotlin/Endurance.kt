package dev.hubless.conformance

import dev.hubless.Content
import dev.hubless.Hubless
import dev.hubless.Node
import dev.hubless.agent
import dev.hubless.ask
import dev.hubless.hubless
import dev.hubless.request
import dev.hubless.stream
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.takeWhile
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.TimeSource

@Serializable
internal data class Pouring(val n: Int, val size: Int)

@Serializable
internal data class Poured(val n: Int)

@Serializable
internal data class Holding(val ms: Long)

@Serializable
internal data class Resting(val restMs: Long)

/** What a process has. */
@Serializable
internal data class Holdings(
    val handles: Int,
    val threads: Int,
    val descriptors: Int,
    val memoryKiB: Int,
) {
    fun least(other: Holdings) = Holdings(
        minOf(handles, other.handles),
        minOf(threads, other.threads),
        minOf(descriptors, other.descriptors),
        minOf(memoryKiB, other.memoryKiB),
    )

    fun numbers(): Array<Pair<String, Int>> = arrayOf(
        "handles" to handles,
        "threads" to threads,
        "descriptors" to descriptors,
        "memoryKiB" to memoryKiB,
    )

    companion object {
        fun now(): Holdings {
            val status = Files.readString(Path.of("/proc/self/status"))
            val memory = status.substringAfter("VmRSS:").trim().substringBefore(' ').toInt()
            return Holdings(Hubless.handles(), entries("task"), entries("fd"), memory)
        }

        private fun entries(of: String) =
            Files.list(Path.of("/proc/self", of)).use { it.count().toInt() }
    }
}

/** The agents of a subject that pour, hold and are counted. */
internal class Enduring(private val subject: Subject) {
    suspend fun register() {
        subject.add<Pouring, Poured>("pour", { streaming = true }) { wanted ->
            for (number in 1..wanted.n) {
                emit(piece(number, wanted.size))
                poured.incrementAndGet()
            }
            Poured(wanted.n)
        }
        subject.add<Holding, String>("hold") {
            println("""{"holding":${it.ms}}""")
            System.out.flush()
            Thread.sleep(it.ms)
            "done"
        }
        subject.add<Resting, Holdings>("usage") { leastHoldings(it.restMs) }
    }

    companion object {
        /** How many pieces `pour` has got rid of. */
        val poured = AtomicInteger()
    }
}

/** The actions that last, through one node. */
internal class Endurance(private val node: Node) {
    /** Does what [word] says, or nothing when that is another kind of action. */
    suspend fun run(word: String, value: JsonElement): Attempt? = when (word) {
        "readFor" -> readFor(value.jsonObject)
        "readSlowly" -> readSlowly(value.jsonObject)
        "callOften" -> callOften(value.jsonObject)
        "cycle" -> cycle(value.jsonObject)
        else -> null
    }

    /** Reads one stream for so long, a piece at a time, and gives it up. */
    private suspend fun readFor(given: JsonObject): Attempt {
        val time = given.number("ms").milliseconds
        val size = given.number("size").toInt()
        val began = TimeSource.Monotonic.markNow()
        var read = 0
        var wrong = 0
        node.stream<String>(given.text("to"), pouring(ENDLESS, size)).takeWhile { text ->
            read++
            if (text != piece(read, size)) wrong++
            val goesOn = began.elapsedNow() < time
            if (goesOn) delay(given.number("everyMs").milliseconds)
            goesOn
        }.collect()
        return told("read" to read, "wrong" to wrong)
    }

    /** Reads one piece, waits until the writer stands, and reads on until it must have moved. */
    private suspend fun readSlowly(given: JsonObject): Attempt {
        val size = given.number("size").toInt()
        val stats = given.text("stats")
        val before = poured(stats)
        var read = 0
        var wrong = 0
        var stood = 0
        val asked = pouring(given.number("n").toInt(), size)
        node.stream<String>(given.text("to"), asked).takeWhile { text ->
            read++
            if (text != piece(read, size)) wrong++
            if (read == 1) stood = still(stats) - before
            read <= stood
        }.collect()
        return told("stood" to stood, "read" to read, "wrong" to wrong)
    }

    private suspend fun poured(stats: String): Int =
        node.ask(stats).value?.jsonObject?.getValue("poured")?.jsonPrimitive?.int ?: 0

    private suspend fun still(stats: String): Int {
        var seen = -1
        var same = 0
        while (same < STILL) {
            val now = poured(stats)
            same = if (now == seen) same + 1 else 0
            seen = now
        }
        return seen
    }

    /** Makes so many calls, streams among them, some at once; each must come to its end. */
    private suspend fun callOften(given: JsonObject): Attempt = coroutineScope {
        val to = given.text("to")
        val count = given.number("count").toInt()
        val atOnce = given.number("atOnce").toInt()
        val workers = List(atOnce) { first ->
            async { (first until count step atOnce).sumOf { oneOfMany(to, it) } }
        }
        val right = workers.awaitAll().sum()
        told("right" to right, *leastHoldings(given.number("restMs")).numbers())
    }

    private suspend fun oneOfMany(to: String, number: Int): Int {
        if (number % STREAM_EACH != 0) {
            return if (node.request<String>("$to.wide0", "?") == "ok") 1 else 0
        }
        val givenUp = number % (STREAM_EACH * GIVEN_UP_EACH) == 0
        val asked = pouring(if (givenUp) ENDLESS else PIECES, PIECE_SIZE)
        var read = 0
        node.stream<String>("$to.pour", asked).takeWhile {
            read++
            !(givenUp && read == PIECES)
        }.collect()
        return if (read == PIECES) 1 else 0
    }

    /** Starts a node, has an agent of it called, and closes it, so many times. */
    private suspend fun cycle(given: JsonObject): Attempt {
        val count = given.number("count").toInt()
        val own = ProcessHandle.current().pid()
        repeat(count) { number ->
            val name = "cycled-$own-$number"
            val answer = hubless {
                agent<Content, String>(name) { "ok" }
                request<String>(name, "?")
            }
            if (answer != "ok") return told("cycles" to number)
        }
        return told("cycles" to count, *leastHoldings(given.number("restMs")).numbers())
    }

    private fun pouring(n: Int, size: Int) = mapOf("n" to n, "size" to size)

    private fun told(vararg numbers: Pair<String, Int>) =
        Attempt.of("value", JsonObject(numbers.toMap().mapValues { JsonPrimitive(it.value) }))

    private fun JsonObject.text(name: String) = getValue(name).jsonPrimitive.content

    private fun JsonObject.number(name: String) = getValue(name).jsonPrimitive.long

    private companion object {
        /** More than any stream is read of. */
        const val ENDLESS = 1_000_000_000

        /** So many answers in a row that say the same: the writer stands. */
        const val STILL = 50

        /** Of so many calls one is a stream, and of so many streams one is given up half way. */
        const val STREAM_EACH = 10
        const val GIVEN_UP_EACH = 10
        const val PIECES = 10
        const val PIECE_SIZE = 100
    }
}

private fun piece(number: Int, size: Int) = "$number:" + "x".repeat(size)

/**
 * Lets go of all garbage, and gives what the process has: the least that was seen in a while, since
 * what is only on its way out does not count.
 */
private suspend fun leastHoldings(restMs: Long): Holdings {
    System.gc()
    val began = TimeSource.Monotonic.markNow()
    var least = Holdings.now()
    while (began.elapsedNow() < restMs.milliseconds) {
        delay(LOOK)
        least = least.least(Holdings.now())
    }
    return least
}

private val LOOK = 50.milliseconds
