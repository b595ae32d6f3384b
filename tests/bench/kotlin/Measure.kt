package dev.hubless.bench

import dev.hubless.Reply
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Semaphore
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicLongArray
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.DurationUnit
import kotlin.time.TimeSource

internal const val THOUSAND = 1e3
private const val PERCENT = 100
private const val LATE = 99
private const val FIRST_CALLS = 3L

// Calls of an open loop that are in flight at once.
private const val OPEN_MAX = 128
private val RAMP = 0.2.seconds
private val RAMP_MAX = 6.seconds

/** Asks the agent, and measures as `tests/bench/BENCH.md` defines. */
internal class Caller(private val reply: suspend (String) -> Reply) {
    /** Makes one call; the answer must be what was asked. */
    suspend fun once(body: String): Duration {
        val began = TimeSource.Monotonic.markNow()
        val answer = reply(body).value?.jsonObject?.get("body")?.jsonPrimitive?.content
        val took = began.elapsedNow()
        check(answer?.length == body.length) { "the answer is not what was asked" }
        return took
    }

    /** Measures calls one after another. */
    suspend fun roundTrips(size: Int, count: Int, warm: Int): JsonObject {
        val body = "x".repeat(size)
        repeat(warm) { once(body) }
        val times = List(count) { once(body) }
        return buildJsonObject {
            put("median_us", times.at(PERCENT / 2))
            put("p99_us", times.at(LATE))
        }
    }

    /** Gives medians: of all, and of what the core says of each part. */
    suspend fun stages(size: Int, count: Int): JsonObject {
        val body = "x".repeat(size)
        val total = ArrayList<Duration>(count)
        val timings = List(count) {
            val began = TimeSource.Monotonic.markNow()
            val timing = reply(body).timing
            total += began.elapsedNow()
            timing
        }
        return buildJsonObject {
            put("total_us", total.at(PERCENT / 2))
            put("queue_us", timings.map { it.queue }.at(PERCENT / 2))
            put("handler_us", timings.map { it.handler }.at(PERCENT / 2))
            put("network_us", timings.map { it.network }.at(PERCENT / 2))
        }
    }

    /** Counts the calls that end in a window, with so many in flight. */
    suspend fun load(size: Int, inFlight: Int, window: Duration): JsonObject = coroutineScope {
        val body = "x".repeat(size)
        val counts = AtomicLongArray(inFlight)
        val stopped = AtomicBoolean()
        repeat(inFlight) { number ->
            launch {
                while (!stopped.get()) {
                    once(body)
                    counts.incrementAndGet(number)
                }
            }
        }
        val ramp = TimeSource.Monotonic.markNow()
        delay(RAMP)
        while (counts.all().min() < FIRST_CALLS && ramp.elapsedNow() < RAMP_MAX) delay(RAMP / 10)
        val before = counts.all().sum()
        val began = TimeSource.Monotonic.markNow()
        delay(window)
        val done = counts.all().sum() - before
        val seconds = began.elapsedNow().toDouble(DurationUnit.SECONDS)
        stopped.set(true)
        buildJsonObject { put("per_second", done / seconds) }
    }

    /** Makes calls that are due at a constant rate; the time of each counts from then. */
    suspend fun arrivals(size: Int, perSecond: Int, window: Duration): JsonObject =
        coroutineScope {
            val body = "x".repeat(size)
            val room = Semaphore(OPEN_MAX)
            val due = (window.toDouble(DurationUnit.SECONDS) * perSecond).toInt()
            val began = TimeSource.Monotonic.markNow()
            val late = ArrayList<Duration>(due)
            val calls = List(due) { number ->
                val at = began + (number * 1.seconds.inWholeNanoseconds / perSecond).nanoseconds
                delay(-at.elapsedNow())
                room.acquire()
                late += at.elapsedNow()
                async {
                    once(body)
                    room.release()
                    at.elapsedNow()
                }
            }
            val times = calls.awaitAll()
            val seconds = began.elapsedNow().toDouble(DurationUnit.SECONDS)
            buildJsonObject {
                put("median_us", times.at(PERCENT / 2))
                put("p99_us", times.at(LATE))
                put("per_second", times.size / seconds)
                put("late_us", late.at(PERCENT / 2))
            }
        }

    /** Makes one call. */
    suspend fun big(size: Int): JsonObject {
        val took = once("x".repeat(size))
        return buildJsonObject { put("ms", took.inWholeMicroseconds / THOUSAND) }
    }
}

/** A percentile, in microseconds. */
private fun List<Duration>.at(part: Int): Double =
    sorted()[size * part / PERCENT].inWholeNanoseconds / THOUSAND

private fun AtomicLongArray.all(): List<Long> = List(length()) { get(it) }
