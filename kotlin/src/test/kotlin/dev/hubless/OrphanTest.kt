package dev.hubless

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.async
import kotlinx.coroutines.future.await
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.CompletableFuture
import kotlin.concurrent.thread

/** Requests that have lost the call that they belong to: none is free. */
class OrphanTest {
    private val earlier = CoroutineScope(Dispatchers.Default + SupervisorJob())

    /** How a handler loses its call, by name. */
    @OptIn(DelicateCoroutinesApi::class)
    private val traps = mapOf(
        "global" to trap { ask -> GlobalScope.async { ask() }.await() },
        "future" to trap { ask -> CompletableFuture.supplyAsync { runBlocking { ask() } }.await() },
        "thread" to trap { ask ->
            val answer = CompletableDeferred<Result<String>>()
            thread { answer.complete(runCatching { runBlocking { ask() } }) }
            answer.await().getOrThrow()
        },
        "relaunched" to trap { ask -> earlier.async { ask() }.await() },
    )

    private fun trap(run: suspend (suspend () -> String) -> String) = run

    /** An agent that falls into the trap named; it answers `free` if it came out of it. */
    private suspend fun Node.register(handover: RequestOptions.(CallContext) -> Unit = {}) {
        agent<String, String>("inner") {
            spend().close()
            "free"
        }
        agent<String, String>("stray") { name ->
            spend().close()
            val call = this
            traps.getValue(name).invoke { node.request("inner", "?") { handover(call) } }
        }
    }

    @Test
    fun `each is refused by itself`() = withNode {
        register()
        for (trap in traps.keys) {
            KillSwitch(calls = 64).use { switch ->
                val error = failure(ErrorKind.CONFIGURATION) {
                    request<String>("stray", trap) { killSwitch = switch }
                }
                assertEquals("orphan", error.code, trap)
                assertTrue("parent" in error.message.orEmpty(), error.message)
                assertEquals(1, switch.spent.calls, trap)
            }
        }
    }

    @Test
    fun `another node of the process is no way out of a budget`() = withTwoNodes { there, here ->
        there.agent<String, String>("inner") { "free" }
        there.agent<String, String>("through") {
            spend().close()
            here.request("inner", "?")
        }
        KillSwitch(calls = 64).use { switch ->
            val error = failure(ErrorKind.CONFIGURATION) {
                there.request<String>("through", "?") { killSwitch = switch }
            }
            assertEquals("other_node", error.code)
            assertEquals(1, switch.spent.calls)
        }
        assertEquals("free", there.request<String>("through", "?"))
    }

    @Test
    fun `each draws on the budget when it is handed the call`() = withNode {
        register { call -> parent = call }
        for (trap in traps.keys) {
            KillSwitch(calls = 64).use { switch ->
                assertEquals("free", request<String>("stray", trap) { killSwitch = switch })
                assertEquals(2, switch.spent.calls, trap)
            }
        }
    }

    @Test
    fun `each is free where the node allows it`() = withNode({ orphans = Orphans.Allow }) {
        register()
        for (trap in traps.keys) {
            KillSwitch(calls = 64).use { switch ->
                assertEquals("free", request<String>("stray", trap) { killSwitch = switch })
                assertEquals(1, switch.spent.calls, trap)
            }
        }
    }

    @Test
    fun `each has a budget of its own where the node says so`() {
        for ((calls, kind) in listOf(1L to null, 0L to ErrorKind.BUDGET_EXHAUSTED)) {
            withNode({ orphans = Orphans.OwnBudget(Limits(calls = calls)) }) {
                register()
                for (trap in traps.keys) {
                    KillSwitch(calls = 64).use { switch ->
                        val ask: suspend () -> String =
                            { request("stray", trap) { killSwitch = switch } }
                        if (kind == null) assertEquals("free", ask()) else failure(kind) { ask() }
                        assertEquals(1, switch.spent.calls, trap)
                    }
                }
            }
        }
    }

    @Test
    fun `limits of orphans that cannot be are refused at the start`() = runBlocking {
        val error = failure(ErrorKind.INVALID_ARGUMENT) {
            Node.start {
                home = testHome
                orphans = Orphans.OwnBudget(Limits(calls = -1))
            }
        }
        assertEquals("orphans.ownBudget.calls", error.field)
    }
}
