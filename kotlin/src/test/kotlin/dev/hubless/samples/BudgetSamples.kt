package dev.hubless.samples

import dev.hubless.Allowance
import dev.hubless.Amounts
import dev.hubless.Branch
import dev.hubless.BranchState
import dev.hubless.CallContext
import dev.hubless.ErrorKind
import dev.hubless.KillSwitch
import dev.hubless.Limits
import dev.hubless.Node
import dev.hubless.Orphans
import dev.hubless.SwitchState
import dev.hubless.TripReason
import dev.hubless.Tripped
import dev.hubless.agent
import dev.hubless.eventually
import dev.hubless.failure
import dev.hubless.request
import dev.hubless.withKillSwitch
import dev.hubless.withNode
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.async
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.time.Duration.Companion.minutes

/** What the documentation of budgets shows. */
class BudgetSamples {
    /** Stands for a model that writes at most so many tokens; gives how many it wrote. */
    private fun model(maxTokens: Long): Long = maxTokens / 2

    private suspend fun CallContext.think(): String =
        spend(maxOutput = 100).use { spend ->
            spend.used(output = model(maxTokens = 100))
            "thought"
        }

    private suspend fun Node.thinker() = agent<String, String>("think") { think() }

    @Test
    fun budget() = withNode {
        thinker()
        KillSwitch(outputTokens = 1_000, calls = 50, wallTime = 10.minutes).use { switch ->
            withContext(switch) { request<String>("think", "why?") }
            eventually("settled") { switch.spent == Amounts(outputTokens = 50, calls = 1) }
            assertEquals(Allowance(outputTokens = 950, calls = 49), switch.remaining)
        }
    }

    @Test
    fun block() = withNode {
        thinker()
        val limits = Limits(calls = 1)
        withKillSwitch(limits) {
            assertEquals("thought", request<String>("think", "why?"))
            failure(ErrorKind.BUDGET_EXHAUSTED) { request<String>("think", "why?") }
        }
    }

    @Test
    fun spend() = withNode {
        agent<String, String>("think") {
            spend(maxOutput = 100).use { spend ->
                spend.used(output = model(maxTokens = 100))
                "thought"
            }
        }
        assertEquals("thought", request<String>("think", "why?"))
    }

    @Test
    fun granted() = withNode {
        agent<String, Long?>("given") {
            spend().close()
            granted?.outputTokens
        }
        withKillSwitch(Limits(outputTokens = 1_000)) {
            assertEquals(250, request<Long?>("given", "?"))
            val most = Allowance(outputTokens = 40)
            assertEquals(40, request<Long?>("given", "?") { max = most })
        }
    }

    @Test
    fun trip() = withNode {
        thinker()
        KillSwitch(calls = 50).use { switch ->
            val stopped = CompletableDeferred<Tripped>()
            switch.onTripped { stopped.complete(it) }
            assertEquals(SwitchState.Armed, switch.state)
            switch.trip()
            assertEquals(TripReason.OPERATOR, stopped.await().reason)
            val refused = failure(ErrorKind.KILLED) {
                request<String>("think", "why?") { killSwitch = switch }
            }
            assertEquals(TripReason.OPERATOR.wire, refused.code)
        }
    }

    @Test
    fun tripBelow() = withNode {
        agent<String, String>("doubt") {
            spend(maxOutput = 100).use { it.used(output = model(maxTokens = 100)) }
            trip()
            "nobody gets this"
        }
        KillSwitch(outputTokens = 1_000).use { switch ->
            val stopped = failure(ErrorKind.KILLED) {
                request<String>("doubt", "why?") { killSwitch = switch }
            }
            assertEquals(TripReason.OPERATOR.wire, stopped.code)
            assertEquals(SwitchState.Armed, switch.state)
            assertEquals(950, switch.remaining.outputTokens)
        }
    }

    @Test
    fun tree() = withNode {
        thinker()
        KillSwitch(outputTokens = 1_000).use { switch ->
            withContext(switch) { request<String>("think", "why?") }
            val branch: Branch? = switch.tree()?.children?.single()
            assertEquals(nodeKey to BranchState.SETTLED, branch?.nodeKey to branch?.state)
        }
    }

    @OptIn(kotlinx.coroutines.DelicateCoroutinesApi::class)
    @Test
    fun orphans() = withNode({ orphans = Orphans.OwnBudget(Limits(calls = 10)) }) {
        thinker()
        agent<String, String>("forgetful") {
            spend().close()
            GlobalScope.async { node.request<String>("think", "why?") }.await()
        }
        withKillSwitch(Limits(calls = 10)) { switch ->
            assertEquals("thought", request<String>("forgetful", "?"))
            assertTrue(switch.spent.calls == 1L)
        }
    }
}
