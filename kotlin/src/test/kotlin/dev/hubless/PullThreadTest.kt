package dev.hubless

import dev.hubless.async.AsyncNode
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.future.await
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.serialization.json.JsonElement
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import java.io.OutputStream
import java.io.PrintStream
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executor
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.seconds

/** The thread that pulls events runs none of the user's code, whatever dispatcher there is. */
class PullThreadTest {
    /** Where each piece of the user's code ran. */
    private class Places {
        private val seen = ConcurrentHashMap<String, String>()

        fun here(what: String) {
            seen[what] = Thread.currentThread().name
        }

        fun check(vararg wanted: String) {
            assertEquals(wanted.toSet(), seen.keys.toSet())
            assertEquals(emptyMap<String, String>(), seen.filterValues { PULLS in it })
            // The name is that of a thread there is.
            assertTrue(Thread.getAllStackTraces().keys.any { PULLS in it.name })
        }
    }

    private fun everywhere(test: suspend (CoroutineDispatcher) -> Unit): List<DynamicTest> =
        listOf(
            "in place by itself" to Dispatchers.Unconfined,
            "in place by its executor" to Executor(Runnable::run).asCoroutineDispatcher(),
        ).map { (name, dispatcher) -> dynamicTest(name) { withNode { test(dispatcher) } } }

    private suspend fun on(dispatcher: CoroutineDispatcher, block: suspend Node.() -> Unit) =
        withContext(dispatcher) {
            val own = CoroutineScope(dispatcher + Job())
            hubless({
                home = testHome
                scope = own
            }) { block() }
        }

    @TestFactory
    fun `handlers and those who wait go on elsewhere`() = everywhere { dispatcher ->
        val places = Places()
        on(dispatcher) {
            places.here("after the start")
            agent<String, String>("inner") { it.also { places.here("handler") } }
            agent<String, String>("outer") {
                request<String>("inner", it).also { places.here("handler, resumed") }
            }
            streamingAgent<String, String>("pieces") { text ->
                flow {
                    places.here("flow of a handler")
                    repeat(3) { emit(text) }
                    places.here("flow of a handler, resumed")
                }
            }
            assertEquals("x", request<String>("outer", "x"))
            places.here("after a request")
            stream<String>("pieces", "x").collect { places.here("collector") }
            runCatching { request<String>("nobody", "x") { wait = kotlin.time.Duration.ZERO } }
            places.here("after a failure")
        }
        places.check(
            "after the start",
            "handler",
            "handler, resumed",
            "flow of a handler",
            "flow of a handler, resumed",
            "after a request",
            "collector",
            "after a failure",
        )
    }

    @TestFactory
    fun `what the core asks back runs elsewhere`() = everywhere { dispatcher ->
        val places = Places()
        on(dispatcher) {
            val guarded = agent<String, String>("guarded", configure = {
                requirements {
                    auth { true.also { places.here("auth") } }
                    maxTokens = 9
                    countTokens { texts -> texts.size.toLong().also { places.here("counter") } }
                }
            }) { askCaller<String>(callTool<String>("tool")) }
            credentials.set(guarded.agentId) {
                Credential("own", "x").also { places.here("credential") }
            }
            val answer = request<String>("guarded", "x") {
                tool<JsonElement, String>("tool") { "t".also { places.here("tool") } }
                onInput { question -> question.prompt.text.also { places.here("question") } }
            }
            assertEquals("t", answer)
        }
        places.check("auth", "counter", "credential", "tool", "question")
    }

    @TestFactory
    fun `a cancellation reaches a handler elsewhere`() = everywhere { dispatcher ->
        val places = Places()
        val ended = CompletableDeferred<Unit>()
        on(dispatcher) {
            val started = CompletableDeferred<Unit>()
            agent<String, String>("slow") {
                started.complete(Unit)
                try {
                    awaitCancellation()
                } finally {
                    places.here("cancelled handler")
                    ended.complete(Unit)
                }
            }
            coroutineScope {
                val asking = launch { request<String>("slow", "x") }
                started.await()
                asking.cancel()
                ended.await()
            }
        }
        places.check("cancelled handler")
    }

    @Test
    fun `whoever waits for a stage hears of its cancellation elsewhere`() = withNode {
        val places = Places()
        val (started, told) = CompletableDeferred<Unit>() to CompletableDeferred<Unit>()
        val stage = CompletableFuture<String>()
        stage.whenComplete { _, _ ->
            places.here("stage")
            told.complete(Unit)
        }
        val node = AsyncNode.start { it.home = testHome }.await()
        node.agent("later").handle(String::class.java, String::class.java) { _, _ ->
            started.complete(Unit)
            stage
        }.await()
        val asking = node.request("later", "x", String::class.java)
        started.await()
        asking.cancel(true)
        told.await()
        assertTrue(stage.isCancelled)
        places.check("stage")
        node.close(java.time.Duration.ZERO).await()
    }

    @Test
    fun `a handler in place that blocks holds up nobody else`() = withNode {
        val (entered, release) = CountDownLatch(1) to CountDownLatch(1)
        on(Executor(Runnable::run).asCoroutineDispatcher()) {
            agent<String, String>("blocking") {
                entered.countDown()
                check(release.await(20, TimeUnit.SECONDS)) { "nobody else got through" }
                "released"
            }
            agent<String, String>("free") { it }
            coroutineScope {
                val asking = launch(Dispatchers.IO) {
                    assertEquals("released", request<String>("blocking", "x"))
                }
                withContext(Dispatchers.IO) { entered.await() }
                repeat(20) { assertEquals("y", request<String>("free", "y")) }
                assertTrue(asking.isActive)
                release.countDown()
            }
        }
    }

    @Test
    fun `a logging that waits for a call holds up nobody`() {
        val places = Places()
        val (said, answered) = CompletableDeferred<Unit>() to CompletableDeferred<String>()
        lateinit var node: Node
        val appender = object : OutputStream() {
            override fun write(byte: Int) = Unit

            override fun write(bytes: ByteArray, from: Int, count: Int) {
                if (LINE !in String(bytes, from, count) || !said.complete(Unit)) return
                places.here("appender")
                runBlocking {
                    val answer = withTimeoutOrNull(20.seconds) { node.request<String>("free", "y") }
                    answered.complete(answer ?: "nothing")
                }
            }
        }
        val before = System.err
        System.setErr(PrintStream(appender, true))
        try {
            withNode {
                node = this
                agent<String, String>("free") { it }
                agent<String, String>("guarded", configure = {
                    requirements { auth { error("broken on purpose") } }
                }) { it }
                // Its function fails, which the core has something to say about.
                failure(ErrorKind.AUTH) {
                    request<String>("guarded", "x") { auth = Credential("own", "x") }
                }
                said.await()
                assertEquals("y", answered.await())
                places.check("appender")
            }
        } finally {
            System.setErr(before)
        }
    }

    private companion object {
        /** What the core says of it. */
        const val LINE = "an auth function failed"
        const val PULLS = "hubless-events"
    }
}
