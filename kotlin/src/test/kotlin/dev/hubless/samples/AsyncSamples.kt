package dev.hubless.samples

import dev.hubless.KillSwitch
import dev.hubless.async.AsyncHandler
import dev.hubless.async.AsyncNode
import dev.hubless.async.BlockingHandler
import dev.hubless.async.LimitsBuilder
import dev.hubless.testHome
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import java.time.Duration
import java.util.concurrent.CompletableFuture

/** What the documentation of the futures shows; Java writes the same. */
class AsyncSamples {
    @Test
    fun builders() {
        AsyncNode.start { it.home = testHome }.join().use { node ->
            val greet = AsyncHandler<String, String> { name, _ ->
                CompletableFuture.completedFuture("hello $name")
            }
            node.agent("greet").tags("polite")
                .handle(String::class.java, String::class.java, greet).join()
            val call = node.call("greet").input("Ada").timeout(Duration.ofSeconds(5))
            assertEquals("hello Ada", call.request(String::class.java).join())
        }
    }

    @Test
    fun blocking() {
        AsyncNode.start { it.home = testHome }.join().use { node ->
            val depth = BlockingHandler<String, Int> { text, call ->
                call.progress("looking", 0.5).join()
                text.length + call.context.depth
            }
            node.agent("depth").handleBlocking(String::class.java, Int::class.java, depth).join()
            assertEquals(4, node.request("depth", "four", Int::class.java).join())
        }
    }

    @Test
    fun budget() {
        val limits = LimitsBuilder().outputTokens(1_000).wallTime(Duration.ofMinutes(10)).build()
        AsyncNode.start { it.home = testHome }.join().use { node ->
            val think = BlockingHandler<String, String> { _, call ->
                call.spend(0, 100).join().use { spend -> spend.used(0, 60) }
                "thought"
            }
            node.agent("think").handleBlocking(String::class.java, String::class.java, think).join()
            KillSwitch(limits).use { switch ->
                val reply = node.call("think").input("why?").killSwitch(switch).reply().join()
                assertEquals("thought" to 60L, reply.text to reply.usage.outputTokens)
            }
        }
    }
}
