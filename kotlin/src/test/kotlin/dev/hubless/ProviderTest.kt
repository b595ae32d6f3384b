package dev.hubless

import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.time.Duration
import java.time.Instant

/** Base URL and key of a node's gateway in handlers; nobody listens there. */
class ProviderTest {
    private suspend fun Node.thinkers(given: MutableList<Provider> = mutableListOf()) {
        agent<Long, String>("think") { most -> provider(most).also { given += it }.baseUrl }
        agent<String, String>("quarter") { provider().also { given += it }.baseUrl }
    }

    @Test
    fun `a handler gets base URL and key, paid from its grant`() =
        withNode({
            gateway = URL
            gatewayKey = KEY
        }) {
            val given = mutableListOf<Provider>()
            thinkers(given)
            KillSwitch(costMicros = 4_000).use { switch ->
                val first = ask("think", 40L) { killSwitch = switch }
                val second = ask("quarter", "?") { killSwitch = switch }
                assertEquals(40L to false, first.usage.costMicros to first.usage.chargedInFull)
                // A quarter of the grant, which is a quarter of what is left.
                assertEquals(247L, second.usage.costMicros)
                assertEquals(287L, switch.spent.costMicros)
            }
            for (one in given) {
                assertEquals(URL, one.baseUrl)
                assertTrue(one.apiKey.startsWith("hbl_"))
                assertFalse(one.apiKey in one.toString())
                val left = Duration.between(Instant.now(), one.expires)
                assertTrue(left > Duration.ZERO && left <= Duration.ofMinutes(10), "$left")
            }
            assertEquals(3, (given.map { it.apiKey } + KEY).toSet().size)
        }

    @Test
    fun `each component is set aside by itself`() =
        withNode({
            gateway = URL
            gatewayKey = KEY
        }) {
            agent<Long, String>("think") { most ->
                val much = failure(ErrorKind.BUDGET_EXHAUSTED) { provider(maxInput = 201) }
                assertEquals("input_exceeded", much.code)
                val input = failure(ErrorKind.INVALID_ARGUMENT) { provider(maxInput = -1) }
                assertEquals("maxInput" to "amount", input.field to input.code)
                val output = failure(ErrorKind.INVALID_ARGUMENT) { provider(maxOutput = -1) }
                assertEquals("maxOutput" to "amount", output.field to output.code)
                provider(maxInput = 30, maxOutput = most).baseUrl
            }
            KillSwitch(inputTokens = 800, outputTokens = 400, costMicros = 4_000).use { switch ->
                val usage = ask("think", 0L) { killSwitch = switch }.usage
                // Nobody listens there: all that is set aside is charged.
                assertEquals(30L to 0L, usage.inputTokens to usage.outputTokens)
                assertEquals(250L, usage.costMicros)
                val spent = switch.spent
                assertEquals(30L to 0L, spent.inputTokens to spent.outputTokens)
                assertEquals(250L, spent.costMicros)
            }
        }

    @Test
    fun `what is missing is said`() = withNode {
        thinkers()
        val none = failure(ErrorKind.CONFIGURATION) { request<String>("think", 1L) }
        assertEquals("no_budget", none.code)
        KillSwitch(costMicros = 400).use { switch ->
            withContext(switch) {
                val unnamed = failure(ErrorKind.CONFIGURATION) { request<String>("think", 1L) }
                assertEquals("no_gateway", unnamed.code)
                val negative = failure(ErrorKind.INVALID_ARGUMENT) {
                    request<String>("think", -1L)
                }
                assertEquals("maxCost" to "amount", negative.field to negative.code)
            }
        }
    }

    @Test
    fun `a refund that cannot be kept is refused`() = withNode {
        val unknown = failure(ErrorKind.INVALID_ARGUMENT) { Node.start { refund = "always" } }
        assertEquals("refund", unknown.field)
        val twice = failure(ErrorKind.INVALID_ARGUMENT) {
            Node.start { refund = "member=never,member=signed" }
        }
        assertEquals("refund", twice.field)
        val unsigned = failure(ErrorKind.CONFIGURATION) {
            Node.start {
                gateway = URL
                gatewayKey = KEY
                refund = "provider"
            }
        }
        assertEquals("no_gateway", unsigned.code)
        val signer = failure(ErrorKind.INVALID_ARGUMENT) {
            Node.start {
                gateway = URL
                gatewayKey = KEY
                gatewaySigner = "x"
            }
        }
        assertEquals("gatewaySigner", signer.field)
    }

    private companion object {
        const val URL = "http://127.0.0.1:9/v1"

        /** A key of a root whose seed is 32 times 1. */
        val KEY = "hbl_A4qI4910CfGV_VLbLTy6XXLKZwm_HZQSG_N0iAG0D29c" + "AQEB".repeat(10) + "AQE"
    }
}
