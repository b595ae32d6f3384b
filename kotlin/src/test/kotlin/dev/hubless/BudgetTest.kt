package dev.hubless

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.milliseconds

private interface Thinker {
    @Skill("think")
    suspend fun think(question: String): Long
}

/** Requests under a switch, and what their handlers see and spend. */
class BudgetTest {
    /** Sets ten tokens aside and uses six; answers what it was given. */
    private suspend fun Node.thinker(name: String = "think") = agent<String, Long?>(name) {
        spend(maxOutput = 10).use { it.used(output = 6) }
        granted?.outputTokens
    }

    /** Asks somebody else and spends nothing itself. */
    private suspend fun Node.passer(work: suspend Node.() -> String) =
        agent<String, String>("pass") {
            spend().close()
            node.work()
        }

    private suspend fun KillSwitch.shows(outputTokens: Long, calls: Long) =
        eventually("$outputTokens tokens and $calls calls, not $spent") {
            spent == Amounts(outputTokens = outputTokens, calls = calls)
        }

    @Test
    fun `what is used below a switch is on it, over the network as well`() =
        withTwoNodes { there, here ->
            there.thinker()
            KillSwitch(outputTokens = 400, calls = 9).use { switch ->
                val reply = here.ask("think", "?") { killSwitch = switch }
                assertEquals("100" to NetworkPath.DIRECT, "${reply.value}" to reply.path)
                assertEquals(6L to false, reply.usage.outputTokens to reply.usage.chargedInFull)
                switch.shows(outputTokens = 6, calls = 1)
                assertEquals(Allowance(outputTokens = 394, calls = 8), switch.remaining)
                val tree = checkNotNull(switch.tree())
                val branch = tree.children.single()
                assertNull(tree.agentId)
                assertEquals(here.nodeKey to there.nodeKey, tree.nodeKey to branch.nodeKey)
                assertEquals(here.peer("think").agentId, branch.agentId)
                assertEquals(BranchState.SETTLED to 6L, branch.state to branch.used.outputTokens)
                assertEquals(100L to 6L, branch.amount.outputTokens to branch.charged.outputTokens)
            }
        }

    @Test
    fun `each lease of a strict budget is the word of its own node`() =
        withTwoNodes { there, here ->
            there.thinker()
            KillSwitch(outputTokens = 400, calls = 9, strict = true).use { switch ->
                assertEquals("100", "${here.ask("think", "?") { killSwitch = switch }.value}")
                switch.shows(outputTokens = 6, calls = 1)
            }
        }

    @Test
    fun `every form of a request takes a switch`() = withNode {
        thinker()
        streamingAgent<String, String>("words") {
            spend().close()
            flowOf("a", "b")
        }
        KillSwitch(outputTokens = 4_000, calls = 100).use { switch ->
            val think = peer("think")
            val forms = listOf<suspend () -> Any?>(
                { request<Long>("think", "?") { killSwitch = switch } },
                { send("think", "?") { killSwitch = switch } },
                { send(AgentRequest("think", "?", killSwitch = switch)) },
                { ask(Query().apply { skill = "think" }, "?") { killSwitch = switch } },
                { stream<Long>("think", "?") { killSwitch = switch }.toList() },
                { events("think", "?") { killSwitch = switch }.toList() },
                { think.with(switch).request<Long>("?") },
                { think.with(switch).ask("?") },
                { think.with(switch).send("?") },
                { think.with(switch).stream<Long>("?").toList() },
                { think.with(switch).events("?").toList() },
                { think.with(switch).proxy(Thinker::class).think("?") },
                { proxy(Thinker::class, "think") { killSwitch = switch }.think("?") },
                { withContext(switch) { request<Long>("think", "?") } },
                { withContext(switch) { send(AgentRequest("think", "?")) } },
                { withContext(switch) { stream<Long>("think", "?").toList() } },
                { withContext(switch) { proxy(Thinker::class, "think").think("?") } },
            )
            forms.forEachIndexed { n, form ->
                form()
                switch.shows(outputTokens = 6L * (n + 1), calls = n + 1L)
            }
            // Without one nothing is drawn.
            assertNull(request<Long?>("think", "?"))
            withContext(switch) {
                assertEquals(listOf("a", "b"), stream<String>("words").toList())
            }
            switch.shows(outputTokens = 6L * forms.size, calls = forms.size + 1L)
        }
    }

    @Test
    fun `the most of one call is given by its request`() = withNode {
        thinker()
        KillSwitch(outputTokens = 400).use { switch ->
            val most = Allowance(outputTokens = 40)
            assertEquals(40, think(switch) { max = most })
            val short = AgentRequest("think", "?", killSwitch = switch, max = most)
            assertEquals("40", "${send(short).output?.value}")
            val bad = failure(ErrorKind.INVALID_ARGUMENT) {
                think(switch) { max = Allowance(costMicros = -1) }
            }
            assertEquals("max.costMicros" to "amount", bad.field to bad.code)
            val alone = failure(ErrorKind.INVALID_ARGUMENT) {
                request<Long>("think", "?") { max = most }
            }
            assertEquals("max", alone.field)
        }
    }

    private suspend fun Node.think(
        switch: KillSwitch,
        more: RequestOptions.() -> Unit = {},
    ): Long? = request<Long?>("think", "?") {
        killSwitch = switch
        more()
    }

    @Test
    fun `a request may name another switch than that of its context`() = withNode {
        thinker()
        KillSwitch(outputTokens = 400).use { around ->
            KillSwitch(outputTokens = 800).use { named ->
                withContext(around) { assertEquals(200, think(named)) }
                named.shows(outputTokens = 6, calls = 1)
                around.shows(outputTokens = 0, calls = 0)
                withContext(around + named) { assertEquals(199, request<Long?>("think", "?")) }
                named.shows(outputTokens = 12, calls = 2)
            }
        }
    }

    @Test
    fun `a handler sees no switch but its own call's budget`() = withNode {
        val around = KillSwitch(unlimited = true)
        withContext(around) {
            val other = Node.start {
                home = testHome
                scope = this@withContext
            }
            other.agent<String, Boolean>("sees") { currentCoroutineContext()[KillSwitch] != null }
            other.agent<String, Boolean>("asks-back") { callTool("sees") }
            assertFalse(other.request<Boolean>("sees", "?"))
            // A tool is the caller's own code, and sees what the caller sees.
            assertTrue(
                other.request<Boolean>("asks-back", "?") {
                    tool<Unit, Boolean>("sees") { currentCoroutineContext()[KillSwitch] === around }
                },
            )
            other.close()
        }
        around.close()
    }

    @Test
    fun `the budget of a call goes before the switch around a request`() = withNode {
        thinker()
        passer { withKillSwitch(Limits(calls = 0)) { request<String>("think", "?") } }
        KillSwitch(outputTokens = 1_600, calls = 64).use { switch ->
            assertEquals("100", request<String>("pass", "?") { killSwitch = switch })
            switch.shows(outputTokens = 6, calls = 2)
        }
        // A call without one draws on it.
        failure(ErrorKind.BUDGET_EXHAUSTED) { request<String>("pass", "?") }
    }

    @Test
    fun `a second switch inside a call with a budget is refused`() = withNode {
        thinker()
        passer {
            KillSwitch(calls = 5).use { own -> request<String>("think", "?") { killSwitch = own } }
        }
        KillSwitch(calls = 64).use { switch ->
            val error = failure(ErrorKind.CONFIGURATION) {
                request<String>("pass", "?") { killSwitch = switch }
            }
            assertEquals("second_budget", error.code)
        }
    }

    @Test
    fun `what is set aside and not reported is charged in full, however it ends`() = withNode {
        val began = CompletableDeferred<Unit>()
        agent<String, String>("leaves") { how ->
            spend(maxOutput = 10).use {
                when (how) {
                    "silently" -> "left"
                    "thrown" -> error("broken on purpose")
                    else -> {
                        began.complete(Unit)
                        awaitCancellation()
                    }
                }
            }
        }
        KillSwitch(outputTokens = 4_000).use { switch ->
            withContext(switch) {
                assertEquals("left", request<String>("leaves", "silently"))
                switch.shows(outputTokens = 10, calls = 1)
                failure(ErrorKind.HANDLER_FAILED) { request<String>("leaves", "thrown") }
                switch.shows(outputTokens = 20, calls = 2)
                coroutineScope {
                    val asking = launch { request<String>("leaves", "cancelled") }
                    began.await()
                    asking.cancel()
                }
                switch.shows(outputTokens = 30, calls = 3)
            }
        }
    }

    @Test
    fun `a handler that says nothing is charged all that it was given`() = withNode {
        agent<String, String>("silent") { "ok" }
        KillSwitch(outputTokens = 400).use { switch ->
            val reply = ask("silent", "?") { killSwitch = switch }
            assertTrue(reply.usage.chargedInFull)
            switch.shows(outputTokens = 100, calls = 1)
        }
        assertFalse(ask("silent", "?").usage.chargedInFull)
    }

    @Test
    fun `a spending says once what it was, in numbers that can be`() = withNode {
        agent<String, List<String?>>("careless") {
            val spend = spend(maxInput = 10, maxOutput = 10, maxCost = 10)
            val field = failure(ErrorKind.INVALID_ARGUMENT) { spend.used(cost = -1) }.field
            spend.used(input = 1, output = 2, cost = 3)
            val again = failure(ErrorKind.INVALID_ARGUMENT) { spend.used(input = 1) }.field
            spend.close()
            val closed = spend(maxInput = 5).apply { close() }
            val late = failure(ErrorKind.INVALID_ARGUMENT) { closed.used(input = 1) }.field
            val most = failure(ErrorKind.INVALID_ARGUMENT) { spend(maxInput = 1L shl 53) }
            listOf(field, again, late, most.field, most.code)
        }
        KillSwitch(inputTokens = 4_000, outputTokens = 4_000, costMicros = 4_000).use { switch ->
            val reply = ask("careless", "?") { killSwitch = switch }
            assertEquals(
                """["costMicros","spend","spend","inputTokens","amount"]""",
                "${reply.value}",
            )
            eventually("all of it is settled") { switch.spent == Amounts(6, 2, 3, 1) }
            assertEquals(6L to 3L, reply.usage.inputTokens to reply.usage.costMicros)
        }
    }

    @Test
    fun `more than is left is refused, and more than was set aside stops the budget`() = withNode {
        agent<Long, String>("greedy") { used ->
            spend(maxOutput = 50).use { it.used(output = used) }
            spend(maxOutput = 60).use { it.used(output = 0) }
            "ok"
        }
        KillSwitch(outputTokens = 400).use { switch ->
            failure(ErrorKind.BUDGET_EXHAUSTED) {
                request<String>("greedy", 50L) { killSwitch = switch }
            }
            assertEquals(SwitchState.Armed, switch.state)
        }
        KillSwitch(outputTokens = 400).use { switch ->
            val stopped = CompletableDeferred<Tripped>()
            switch.onTripped { stopped.complete(it) }
            failure(ErrorKind.KILLED) {
                request<String>("greedy", 500L) { killSwitch = switch }
            }
            assertEquals(TripReason.OUTPUT_EXCEEDED, stopped.await().reason)
            assertEquals(stopped.await(), switch.state)
        }
    }

    @Test
    fun `a stop cancels handlers at both ends and refuses what comes after`() =
        withTwoNodes { there, here ->
            val began = CompletableDeferred<Unit>()
            val ended = CompletableDeferred<Boolean>()
            there.agent<String, String>("slow") {
                try {
                    began.complete(Unit)
                    awaitCancellation()
                } catch (stopped: CancellationException) {
                    ended.complete(isCancelled)
                    throw stopped
                }
            }
            KillSwitch(calls = 9).use { switch ->
                val told = CompletableDeferred<Tripped>()
                switch.onTripped { told.complete(it) }
                coroutineScope {
                    val asking = async {
                        failure(ErrorKind.KILLED) {
                            here.request<String>("slow", "?") { killSwitch = switch }
                        }
                    }
                    began.await()
                    switch.trip()
                    assertEquals("operator", asking.await().code)
                }
                assertTrue(ended.await(), "the handler was not told")
                val stop = told.await()
                assertEquals(TripReason.OPERATOR to here.nodeKey, stop.reason to stop.by)
                failure(ErrorKind.KILLED) {
                    withContext(switch) { here.request<String>("slow", "?") }
                }
            }
        }

    /** Waits to be cancelled, and tells of both. */
    private suspend fun Node.slow(began: Channel<Unit>, ended: Channel<Boolean>) =
        agent<String, String>("slow") {
            try {
                spend().close()
                began.send(Unit)
                awaitCancellation()
            } catch (stopped: CancellationException) {
                ended.trySend(isCancelled)
                throw stopped
            }
        }

    /** Uses 60 tokens, asks `slow`, and when that runs stops all of it. */
    private suspend fun Node.halts(go: CompletableDeferred<Unit>, ended: Channel<Boolean>) =
        agent<String, String>("halts") {
            spend(maxOutput = 100).use { it.used(output = 60) }
            try {
                coroutineScope {
                    launch { runCatching { node.request<String>("slow", "?") } }
                    go.await()
                    trip()
                    awaitCancellation()
                }
            } catch (stopped: CancellationException) {
                ended.trySend(isCancelled)
                throw stopped
            }
        }

    private suspend fun stopsWhatIsBelow(there: Node, here: Node) {
        val (began, go) = Channel<Unit>(Channel.UNLIMITED) to CompletableDeferred<Unit>()
        val below = Channel<Boolean>(Channel.UNLIMITED)
        val itself = Channel<Boolean>(Channel.UNLIMITED)
        there.slow(began, below)
        here.halts(go, itself)
        val switch = KillSwitch(outputTokens = 4_000)
        suspend fun killed(to: String) = failure(ErrorKind.KILLED) {
            here.request<String>(to, "?") { killSwitch = switch }
        }.code
        coroutineScope {
            val beside = async { killed("slow") }
            began.receive()
            val halted = async { killed("halts") }
            began.receive()
            go.complete(Unit)
            assertEquals("operator", halted.await())
            assertTrue(below.receive() && itself.receive(), "a handler was not told")
            eventually("settled, not ${switch.spent}") { switch.spent.outputTokens == 60L }
            assertEquals(SwitchState.Armed, switch.state)
            assertTrue(beside.isActive && below.tryReceive().isFailure)
            // The rest is there for others.
            val again = async { killed("slow") }
            began.receive()
            switch.trip()
            assertEquals("operator" to "operator", beside.await() to again.await())
        }
        switch.close()
    }

    @Test
    fun `a handler stops what is below it in its node and nothing else`() = withNode {
        stopsWhatIsBelow(this, this)
    }

    @Test
    fun `a handler stops what is below it at another node and nothing else`() =
        withTwoNodes { there, here -> stopsWhatIsBelow(there, here) }

    @Test
    fun `a call without a budget has nothing to stop`() = withNode {
        agent<String, String?>("bare") { failure(ErrorKind.NOT_FOUND) { trip() }.code }
        assertEquals("grant", request<String?>("bare", "?"))
    }

    @Test
    fun `time is up by itself`() = withNode {
        agent<String, String>("slow") { awaitCancellation() }
        val error = failure(ErrorKind.KILLED) {
            withKillSwitch(Limits(wallTime = 100.milliseconds)) { request<String>("slow", "?") }
        }
        assertEquals("wall_time", error.code)
    }

    @Test
    fun `of many requests at once no more get through than are allowed`() = withNode {
        val started = AtomicInteger()
        agent<String, String>("counted") {
            started.incrementAndGet()
            spend().close()
            "ok"
        }
        KillSwitch(calls = 32).use { roomForAll ->
            assertEquals(32, atOnce(roomForAll).count { it.isSuccess })
            assertEquals(32, started.getAndSet(0))
            assertEquals(SwitchState.Armed, roomForAll.state)
        }
        KillSwitch(calls = 5).use { switch ->
            val answers = atOnce(switch)
            switch.shows(outputTokens = 0, calls = 5)
            // The one too many stops the budget, and what still runs, or waits to start, with it.
            assertEquals(TripReason.CALLS_EXCEEDED, (switch.state as Tripped).reason)
            assertTrue(started.get() <= 5, "$started were started")
            val refused = answers.mapNotNull { it.exceptionOrNull() as? HublessException }
            assertEquals(32, refused.size + answers.count { it.isSuccess })
            assertTrue(refused.size >= 27, "only ${refused.size} were refused")
            val kinds = setOf(ErrorKind.BUDGET_EXHAUSTED, ErrorKind.KILLED)
            assertEquals(emptyList<HublessException>(), refused.filter { it.kind !in kinds })
        }
    }

    /** 32 requests at once, each of which says that it makes no call of its own. */
    private suspend fun Node.atOnce(switch: KillSwitch): List<Result<Reply>> = coroutineScope {
        List(32) {
            async(Dispatchers.Default + switch) {
                runCatching { ask("counted", "?") { max = Allowance(calls = 0) } }
            }
        }.awaitAll()
    }
}
