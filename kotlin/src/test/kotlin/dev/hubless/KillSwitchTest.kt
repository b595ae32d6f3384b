package dev.hubless

import dev.hubless.internal.json
import dev.hubless.internal.long
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CountDownLatch
import kotlin.time.Duration
import kotlin.time.Duration.Companion.microseconds
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.nanoseconds
import kotlin.time.Duration.Companion.seconds

private const val MOST = (1L shl 53) - 1

/** Switches by themselves, without a node. */
class KillSwitchTest {
    private fun watchers(): Set<Thread> =
        Thread.getAllStackTraces().keys.filter { it.name == "hubless-events" }.toSet()

    /** Waits for what a test listens for. */
    private fun <T> CompletableDeferred<T>.soon(): T = runBlocking {
        withTimeout(20.seconds) { await() }
    }

    private fun refusal(limits: Limits): HublessException = runBlocking {
        failure(ErrorKind.INVALID_ARGUMENT) { KillSwitch(limits).close() }
    }

    @Test
    fun `numbers that cannot be are refused with their field`() {
        for (bad in listOf(-1L, MOST + 1, Long.MIN_VALUE, Long.MAX_VALUE)) {
            val rows = mapOf(
                "inputTokens" to Limits(inputTokens = bad),
                "outputTokens" to Limits(outputTokens = bad),
                "costMicros" to Limits(costMicros = bad),
                "calls" to Limits(calls = bad),
                "soft.calls" to Limits(soft = Allowance(calls = bad)),
                "soft.inputTokens" to Limits(soft = Allowance(inputTokens = bad)),
            )
            for ((field, limits) in rows) {
                val error = refusal(limits)
                assertEquals(field to "amount", error.field to error.code, "$bad")
            }
        }
        KillSwitch(inputTokens = MOST, outputTokens = 0).use { switch ->
            assertEquals(Allowance(inputTokens = MOST, outputTokens = 0), switch.remaining)
        }
    }

    @Test
    fun `times and counts that cannot be are refused with their field`() {
        val rows = listOf(
            "wallTimeMs" to Limits(wallTime = (-1).seconds),
            "wallTimeMs" to Limits(wallTime = (-1).nanoseconds),
            "wallTimeMs" to Limits(wallTime = Duration.INFINITE),
            "wallTimeMs" to Limits(wallTime = -Duration.INFINITE),
            "leaseMs" to Limits(calls = 1, lease = Duration.ZERO),
            "leaseMs" to Limits(calls = 1, lease = 301.seconds),
            "depth" to Limits(depth = -1),
            "depth" to Limits(depth = 17),
            "fanOut" to Limits(fanOut = 4_097),
            "unlimited" to Limits(),
            "unlimited" to Limits(lease = 1.seconds),
            "unlimited" to Limits(strict = true),
            "unlimited" to Limits(calls = 1, unlimited = true),
        )
        for ((field, limits) in rows) assertEquals(field, refusal(limits).field, "$limits")
        assertEquals("unlimited", refusal(Limits()).code)
        KillSwitch(unlimited = true).use { assertEquals(Allowance(), it.remaining) }
        KillSwitch(unlimited = true).use { assertEquals(Amounts(), it.overrun) }
    }

    @Test
    fun `a strict budget is said to the core`() {
        for (strict in listOf(false, true)) {
            val said = Limits(calls = 1, strict = strict).json()["strict"]
            assertEquals(strict, said?.toString().toBoolean())
            KillSwitch(calls = 1, strict = strict).use { assertEquals(1, it.remaining.calls) }
        }
    }

    @Test
    fun `a time that is no whole number of milliseconds is rounded up`() {
        val rows = listOf(
            1.nanoseconds to 1L,
            1_500.microseconds to 2L,
            2.milliseconds to 2L,
            Duration.ZERO to 0L,
        )
        for ((time, ms) in rows) {
            assertEquals(ms, Limits(wallTime = time, lease = time).json().long("wallTimeMs"))
            assertEquals(ms, Limits(wallTime = time, lease = time).json().long("leaseMs"))
        }
    }

    @Test
    fun `is armed until it is tripped, and the first stop stands`() = KillSwitch(calls = 3).use {
        assertEquals(SwitchState.Armed, it.state)
        assertEquals(Amounts(), it.spent)
        assertEquals(Allowance(calls = 3), it.remaining)
        assertNull(it.tree())
        val before = System.currentTimeMillis()
        it.trip(TripReason.COST_EXCEEDED)
        it.trip()
        val stop = it.state as Tripped
        assertEquals(TripReason.COST_EXCEEDED to null, stop.reason to stop.by)
        assertTrue(stop.at.toEpochMilli() in before..System.currentTimeMillis(), "$stop")
    }

    @Test
    fun `every reason to stop is one of the core`() {
        for (reason in TripReason.entries) {
            KillSwitch(calls = 1).use {
                it.trip(reason)
                assertEquals(reason, (it.state as Tripped).reason)
            }
        }
    }

    @Test
    fun `listeners are told once each, whatever they do, and at once when it is late`() {
        val release = CountDownLatch(1)
        val told = ConcurrentLinkedQueue<String>()
        val (first, second, late) = List(3) { CompletableDeferred<Tripped>() }
        try {
            KillSwitch(calls = 1).use { switch ->
                switch.onTripped { release.await() }
                switch.onTripped { error("broken on purpose") }
                switch.onTripped {
                    told.add("first")
                    first.complete(it)
                }
                switch.onTripped {
                    told.add("second")
                    second.complete(it)
                }
                switch.trip()
                val stop = switch.state as Tripped
                assertEquals(listOf(stop, stop), listOf(first.soon(), second.soon()))
                switch.onTripped {
                    told.add("late")
                    late.complete(it)
                }
                assertEquals(stop, late.soon())
                switch.trip(TripReason.DEPTH)
                assertEquals(stop, switch.state)
            }
            assertEquals(listOf("first", "late", "second"), told.sorted())
        } finally {
            release.countDown()
        }
    }

    @Test
    fun `a switch that is closed right after its stop still tells of it`() {
        repeat(50) {
            val told = CompletableDeferred<Tripped>()
            KillSwitch(calls = 1).use { switch ->
                switch.onTripped { told.complete(it) }
                switch.trip()
            }
            assertEquals(TripReason.OPERATOR, told.soon().reason)
        }
    }

    @Test
    fun `a closed switch is refused everywhere and leaves nothing behind`() {
        val (before, threads) = Hubless.handles() to watchers()
        val switch = KillSwitch(calls = 1)
        switch.onTripped { }
        assertTrue(Hubless.handles() > before, "a switch is no handle")
        assertTrue((watchers() - threads).isNotEmpty(), "nobody watches")
        switch.close()
        switch.close()
        val asked = listOf<() -> Any?>(
            { switch.state },
            { switch.spent },
            { switch.remaining },
            { switch.overrun },
            { switch.tree() },
            { switch.trip() },
            { switch.onTripped { } },
        )
        runBlocking {
            for (ask in asked) {
                assertEquals("switch", failure(ErrorKind.INVALID_ARGUMENT) { ask() }.field)
            }
            eventually("no thread is left") { (watchers() - threads).isEmpty() }
        }
        assertNoneLeft(before)
    }

    @Test
    fun `a switch that is lost goes with its listeners`() = runBlocking {
        val (before, threads) = Hubless.handles() to watchers()
        val kept = KillSwitch(calls = 1)
        kept.onTripped { }
        fun lose() {
            val switch = KillSwitch(calls = 1)
            // Even if they lead back to it.
            switch.onTripped { println(switch.spent) }
        }
        repeat(3) { lose() }
        eventually("only what is held is left") {
            System.gc()
            Hubless.handles() == before + 2 && (watchers() - threads).size == 1
        }
        assertEquals(SwitchState.Armed, kept.state)
        kept.close()
        assertNoneLeft(before)
    }
}
