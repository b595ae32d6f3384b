package dev.hubless

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.launch
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.CompletableFuture
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Serializable
private data class Query1(val pair: String, val times: Int = 1)

@Serializable
private data class Rate(val value: Double)

class CallTest {
    private suspend fun Node.rates() = agent<Query1, Rate>("rate", tags = setOf("fx")) {
        Rate(1.5 * it.times)
    }

    @Test
    fun `answers its own node without leaving the process`() = withNode {
        rates()
        val reply = ask("rate", Query1("EURUSD", 2))
        assertEquals(
            JsonPrimitive(3.0),
            (reply.value as kotlinx.serialization.json.JsonObject)["value"],
        )
        assertEquals(NetworkPath.IN_PROCESS, reply.path)
        assertEquals(nodeKey, reply.agent.nodeKey)
    }

    @Test
    fun `answers another node over a direct connection`() = withTwoNodes { there, here ->
        there.rates()
        val peer = here.peer("fx rates", wait = 20.seconds) { tag("fx") }
        val rate: Rate = peer.request(Query1("EURUSD"))
        assertEquals(Rate(1.5), rate)
        assertEquals(NetworkPath.DIRECT, peer.ask(Query1("EURUSD")).path)
        assertEquals(there.nodeKey, peer.nodeKey)
    }

    @Test
    fun `carries hundreds of calls at once`() = withNode {
        agent<Int, Int>("double") { it * 2 }
        coroutineScope {
            val answers = List(500) { async { request<Int>("double", it) } }.awaitAll()
            assertEquals(List(500) { it * 2 }, answers)
        }
    }

    @Test
    fun `input that does not fit the type is refused before the handler runs`() = withNode {
        rates()
        val error = failure(ErrorKind.JSON) { request<Rate>("rate", mapOf("pair" to 5)) }
        assertTrue(error is Rejected)
        // Fits the schema, but not the type: 32 bits.
        val wide = mapOf("pair" to "x", "times" to 3_000_000_000)
        assertTrue(failure(ErrorKind.JSON) { request<Rate>("rate", wide) } is Rejected)
    }

    @Test
    fun `an answer that does not fit the type asked for is an error of the caller`() = withNode {
        agent<String, String>("text") { "no number" }
        val error = failure(ErrorKind.JSON) { request<Rate>("text", "?") }
        assertTrue(error !is Rejected)
    }

    @Test
    fun `what a handler throws reaches the caller with its text`() = withNode {
        agent<String, String>("broken") { error("broken on purpose") }
        agent<String, String>("deep") { deep(0).toString() }
        agent<String, String>("refusing") {
            throw HublessException(
                ErrorKind.DENIED,
                "not today",
                "not_today",
                Retry.After(2.seconds),
            )
        }
        val broken = failure(ErrorKind.HANDLER_FAILED) { request<String>("broken", "?") }
        assertTrue("broken on purpose" in broken.message.orEmpty())
        assertTrue(broken is Rejected)
        failure(ErrorKind.HANDLER_FAILED) { request<String>("deep", "?") }
        val refused = failure(ErrorKind.DENIED) { request<String>("refusing", "?") }
        assertEquals("not_today", refused.code)
        assertEquals(Retry.After(2.seconds), refused.retry)
    }

    private fun deep(n: Int): Int = deep(n + 1) + 1

    @Test
    fun `send returns a refusal instead of throwing it`() = withNode {
        agent<String, String>("broken") { error("broken on purpose") }
        agent<String, String>("fine") { "ok" }
        assertEquals(ErrorKind.HANDLER_FAILED, send("broken", "?").rejection?.kind)
        assertEquals("ok", send("fine", "?").output?.text)
        assertEquals("ok", send(AgentRequest("fine", prompt = "?")).output?.text)
        agent<Content, String>("parts") { it.text }
        val both = AgentRequest("parts", prompt = "one ", content = Content.text("two"))
        assertEquals("one two", send(both).output?.text)
    }

    @Test
    fun `an unknown name is not found and a wrong argument names its field`() = withNode {
        failure(ErrorKind.NOT_FOUND) { request<String>("nobody", "?") { wait = 20.milliseconds } }
        val error = failure(ErrorKind.INVALID_ARGUMENT) {
            request<String>("nobody", "?") { conversationId = "x".repeat(65) }
        }
        assertEquals("conversationId", error.field)
    }

    @Test
    fun `a deadline ends the call and the handler`() = withNode {
        val started = CompletableDeferred<Unit>()
        val stopped = CompletableDeferred<Throwable>()
        agent<String, String>("slow") {
            started.complete(Unit)
            waitFor(stopped)
        }
        var limit = 100.milliseconds
        // Where the time is over before the handler has begun: once more, with twice as much.
        while (!started.isCompleted) {
            failure(ErrorKind.DEADLINE) { request<String>("slow", "?") { total = limit } }
            limit *= 2
        }
        assertTrue(stopped.await() is CancellationException)
    }

    @Test
    fun `cancelling the caller cancels the handler`() = withTwoNodes { there, here ->
        val started = CompletableDeferred<Unit>()
        val stopped = CompletableDeferred<Throwable>()
        there.agent<String, String>("slow") {
            started.complete(Unit)
            waitFor(stopped)
        }
        coroutineScope {
            val asking = launch { here.request<String>("slow", "?") }
            started.await()
            asking.cancel()
            assertTrue(stopped.await() is CancellationException)
        }
    }

    private suspend fun waitFor(stopped: CompletableDeferred<Throwable>): String = try {
        awaitCancellation()
    } catch (reason: CancellationException) {
        stopped.complete(reason)
        throw reason
    }

    @Test
    fun `a cancellation inside a handler is cancelled and never handler_failed`() = withNode {
        agent<String, String>("gives-up") { throw CancellationException("changed my mind") }
        agent<String, String>("times-out") {
            kotlinx.coroutines.withTimeout(10.milliseconds) { awaitCancellation() }
        }
        failure(ErrorKind.CANCELLED) { request<String>("gives-up", "?") }
        failure(ErrorKind.CANCELLED) { request<String>("times-out", "?") }
    }

    @Test
    fun `a cancelled flow or stage of a handler is cancelled and no failure`() = withNode {
        streamingAgent<String, Int>("half") {
            flow {
                emit(1)
                throw CancellationException("changed my mind")
            }
        }
        register(object {
            @Skill
            fun stage() = CompletableFuture<String>().apply { cancel(true) }

            @Skill
            fun plain(): String = throw CancellationException("changed my mind")

            @Skill
            fun broken(): String = error("broken on purpose")
        }) { name = "stages" }
        val seen = ArrayList<Int>()
        failure(ErrorKind.CANCELLED) { stream<Int>("half", "?").collect(seen::add) }
        assertEquals(listOf(1), seen)
        for ((skill, kind) in mapOf(
            "stage" to ErrorKind.CANCELLED,
            "plain" to ErrorKind.CANCELLED,
            "broken" to ErrorKind.HANDLER_FAILED,
        )) {
            failure(kind) { request<String>("stages") { this.skill = skill } }
        }
    }

    @Test
    fun `calls inside a handler are its children`() = withNode {
        agent<JsonElement, Map<String, String>>("inner") {
            mapOf(
                "depth" to "$depth",
                "from" to "${caller.agentId}",
                "left" to "${deadline != null}",
            )
        }
        val outer = agent<JsonElement, Map<String, String>>("outer") { request("inner", "?") }
        agent<JsonElement, Map<String, String>>("explicit") {
            val call = this
            // Outside the handler's own context there is no ambient parent.
            kotlinx.coroutines.CoroutineScope(kotlinx.coroutines.Dispatchers.Default).async {
                request<Map<String, String>>("inner", "?") { parent = call }
            }.await()
        }
        assertEquals("0", request<Map<String, String>>("inner", "?")["depth"])
        val ambient = request<Map<String, String>>("outer", "?")
        assertEquals("1", ambient["depth"])
        assertEquals(outer.agentId, ambient["from"])
        assertEquals("1", request<Map<String, String>>("explicit", "?")["depth"])
        assertNull(currentCall())
    }

    @Test
    fun `the end of a parent call ends its children`() = withNode {
        val started = CompletableDeferred<Unit>()
        val stopped = CompletableDeferred<Throwable>()
        agent<String, String>("inner") {
            started.complete(Unit)
            waitFor(stopped)
        }
        agent<String, String>("outer") { request("inner", "?") }
        coroutineScope {
            val asking = launch { request<String>("outer", "?") }
            started.await()
            asking.cancel()
            assertTrue(stopped.await() is CancellationException)
        }
    }

    @Test
    fun `text that is no Unicode and JSON without end are refused here`() = withNode {
        agent<Content, Content>("echo") { it }
        failure(ErrorKind.INVALID_ARGUMENT) { ask("echo", "half a pair: \uD83D") }
        assertEquals("whole: \uD83D\uDE00 \u0000", ask("echo", "whole: \uD83D\uDE00 \u0000").text)
        val bound = Limit("JSON_DEPTH", Hubless.limits().getValue("JSON_DEPTH"))
        for (levels in listOf(65, 100_000)) {
            val json = (1..levels).fold(JsonPrimitive(1) as JsonElement) { inner, _ ->
                kotlinx.serialization.json.JsonArray(listOf(inner))
            }
            val lists = (1..levels).fold<Int, Any>(1) { inner, _ -> listOf(inner) }
            for (deep in listOf(json, lists)) {
                val refused = failure(ErrorKind.JSON) { ask("echo", deep) }
                assertEquals("too_deep", refused.code)
                assertEquals("content" to bound, refused.field to refused.limit)
            }
        }
    }

    @Test
    fun `check says what would be refused without calling`() = withNode {
        val agent = rates()
        assertNull(check(agent, Query1("EURUSD")))
        assertEquals(ErrorKind.JSON, check(agent, mapOf("pair" to 5))?.kind)
    }

    @Test
    fun `usage and progress reach the caller`() = withNode {
        agent<String, String>("busy") {
            progress("half", 0.5)
            addUsage(inputTokens = 3, outputTokens = 4, model = "small")
            "done"
        }
        val seen = ArrayList<StreamItem>()
        events("busy", "?").collect(seen::add)
        val half = seen.filterIsInstance<StreamItem.Progress>().single()
        assertEquals(StreamItem.Progress("half", 0.5), half)
        val usage = (seen.last() as StreamItem.Final).reply.usage
        assertEquals(3L to 4L, usage.inputTokens to usage.outputTokens)
    }
}
