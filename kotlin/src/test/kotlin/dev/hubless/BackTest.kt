package dev.hubless

import dev.hubless.internal.contentOfValue
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Serializable
private data class Two(val a: Int, val b: Int)

/** What the core asks back of the program: tools, answers, auth, counters, credentials. */
class BackTest {
    @Test
    fun `tools run where they were offered`() = withTwoNodes { there, here ->
        there.agent<Two, Int>("adder") { callTool("add", it) }
        val runs = AtomicInteger()
        val sum = here.request<Int>("adder", Two(3, 4)) {
            tool<Two, Int>("add", "adds") { (a, b) ->
                runs.incrementAndGet()
                a + b
            }
        }
        assertEquals(7 to 1, sum to runs.get())
    }

    @Test
    fun `a handler sees what may be repeated of a tool`() = withNode {
        agent<String, String>("sees") { request.tools.joinToString { "${it.name} ${it.effect}" } }
        val seen = request<String>("sees", "?") {
            tool<Two, Int>("add", "adds", effect = Effect.PURE) { (a, b) -> a + b }
            tool<Two, Int>("send", "sends") { 0 }
        }
        assertEquals("add PURE, send null", seen)
    }

    @Test
    fun `the short form offers tools as well`() = withTwoNodes { there, here ->
        there.agent<Two, Int>("adder") { callTool("add", it) }
        val runs = AtomicInteger()
        val add = Tool.of<Two, Int>("add", "adds") { (a, b) ->
            runs.incrementAndGet()
            a + b
        }
        val content = contentOfValue(Two(3, 4))
        val sent = here.send(AgentRequest("adder", content = content, tools = listOf(add)))
        assertEquals("7" to 1, sent.output?.value?.toString() to runs.get(), "${sent.rejection}")
        val bare = here.send(AgentRequest("adder", content = content))
        assertEquals(ErrorKind.DENIED, bare.rejection?.kind)
    }

    @Test
    fun `arguments of a tool are checked, and its failure reaches the callee`() = withNode {
        agent<String, String>("wrong") { callTool<Int>("add", mapOf("a" to "x")).toString() }
        agent<String, String>("failing") {
            runCatching { callTool<Int>("bad") }.exceptionOrNull()?.message.orEmpty()
        }
        agent<String, String>("undeclared") { callTool<String>("nobody-offered-this") }
        val refused = runCatching {
            request<String>("wrong", "?") { tool<Two, Int>("add") { error("must not run") } }
        }.exceptionOrNull()
        assertTrue(
            refused is HublessException && "must not" !in refused.message.orEmpty(),
            "$refused",
        )
        val text = request<String>("failing", "?") {
            tool<Map<String, Int>, Int>("bad") { error("out of order") }
        }
        assertTrue("out of order" in text, text)
        failure(ErrorKind.DENIED) {
            request<String>("undeclared", "?") { tool<Two, Int>("add") { it.a } }
        }
    }

    @Test
    fun `what a tool throws keeps its kind`() = withTwoNodes { there, here ->
        there.agent<String, String>("user") {
            val thrown = runCatching { callTool<String>("tool") }.exceptionOrNull()
            (thrown as HublessException).let { "${it.kind.wire} ${it.code.orEmpty()}" }
        }

        suspend fun said(thrown: Throwable) = here.request<String>("user", "?") {
            tool<Map<String, Int>, String>("tool") { throw thrown }
        }
        assertEquals("denied late", said(HublessException(ErrorKind.DENIED, "no", "late")))
        assertEquals("cancelled ", said(CancellationException("changed my mind")))
        assertEquals("handler_failed ", said(IllegalStateException("out of order")))
    }

    @Test
    fun `a tool is not called after the answer`() = withTwoNodes { there, here ->
        val (answered, late) = CompletableDeferred<Unit>() to CompletableDeferred<Throwable?>()
        val outside = CoroutineScope(Dispatchers.Default)
        there.agent<Two, Int>("adder") { input ->
            val call = this
            outside.launch {
                answered.await()
                late.complete(runCatching { call.callTool<Int>("add", input) }.exceptionOrNull())
            }
            callTool("add", input)
        }
        val runs = AtomicInteger()
        val sum = here.request<Int>("adder", Two(3, 4)) {
            tool<Two, Int>("add", "adds") { (a, b) ->
                runs.incrementAndGet()
                a + b
            }
        }
        answered.complete(Unit)
        val refused = late.await()
        assertEquals(ErrorKind.CLOSED, (refused as? HublessException)?.kind, "$refused")
        assertEquals(7 to 1, sum to runs.get())
    }

    @Test
    fun `a tool is cancelled with the call`() = withNode {
        val (started, stopped) = CompletableDeferred<Unit>() to CompletableDeferred<Unit>()
        agent<String, String>("user") { callTool("slow") }
        coroutineScope {
            val asking = launch {
                request<String>("user", "?") {
                    tool<Map<String, Int>, Int>("slow") {
                        started.complete(Unit)
                        try {
                            awaitCancellation()
                        } finally {
                            stopped.complete(Unit)
                        }
                    }
                }
            }
            started.await()
            asking.cancel()
            stopped.await()
        }
    }

    @Test
    fun `a callee asks back and gets an answer`() = withTwoNodes { there, here ->
        there.agent<String, String>("curious") { "got ${askCaller<String>("which?")}" }
        val answer = here.request<String>("curious", "?") {
            onInput { question -> "the one after ${question.prompt.text}" }
        }
        assertEquals("got the one after which?", answer)
        val refused = runCatching { here.request<String>("curious", "?") }.exceptionOrNull()
        assertTrue(refused is HublessException, "$refused")
    }

    @Test
    fun `an auth function of one's own lets in and keeps out`() = withNode {
        agent<String, String>("guarded", configure = {
            requirements {
                auth { attempt ->
                    delay(10.milliseconds)
                    attempt.credential == "letmein" && attempt.caller.kind == CallerKind.LOCAL
                }
            }
        }) { "in" }
        agent<String, String>("throwing", configure = {
            requirements { auth { error("broken") } }
        }) { "in" }
        assertEquals(
            "in",
            request<String>("guarded", "?") {
                auth = Credential("custom", "letmein")
            },
        )
        failure(ErrorKind.AUTH) { request<String>("guarded", "?") }
        failure(ErrorKind.AUTH) {
            request<String>("guarded", "?") { auth = Credential("custom", "no") }
        }
        val failed = failure(ErrorKind.AUTH) {
            request<String>("throwing", "?") { auth = Credential("custom", "x") }
        }
        assertEquals("check_failed", failed.code)
    }

    @Test
    fun `a verdict is kept for as long as it says`() = withNode {
        val asked = AtomicInteger()
        val often = AtomicInteger()
        agent<String, String>("kept", configure = {
            requirements {
                authVerdict { attempt ->
                    asked.incrementAndGet()
                    Verdict(attempt.credential == "letmein", keep = 30.seconds)
                }
            }
        }) { "in" }
        agent<String, String>("asking", configure = {
            requirements { authVerdict { Verdict(often.incrementAndGet() > 0) } }
        }) { "in" }
        val shown = Credential("custom", "letmein")
        repeat(3) {
            assertEquals("in", request<String>("kept", "?") { auth = shown })
            assertEquals("in", request<String>("asking", "?") { auth = shown })
        }
        assertEquals(1 to 3, asked.get() to often.get())
        failure(ErrorKind.AUTH) {
            request<String>("kept", "?") { auth = Credential("custom", "no") }
        }
        assertEquals(2, asked.get(), "another credential is another question")
    }

    @Test
    fun `the rule of the node holds where an agent has none`() = withNode {
        agent<String, String>("plain") { "in" }
        agent<String, String>("open", configure = {
            requirements { auth = AuthRule.Open }
        }) { "in" }
        globalAuth(AuthRule.Function { it.credential == "letmein" })
        failure(ErrorKind.AUTH) { request<String>("plain", "?") }
        assertEquals("in", request<String>("plain", "?") { auth = Credential("custom", "letmein") })
        assertEquals("in", request<String>("open", "?"))
    }

    @Test
    fun `a token counter of one's own counts`() = withNode {
        agent<String, String>("counted", configure = {
            requirements {
                maxTokens = 5
                countTokens { texts -> texts.sumOf { it.split(' ').size.toLong() } }
            }
        }) { "ok" }
        assertEquals("ok", request<String>("counted", "one two three"))
        failure(ErrorKind.PROMPT) { request<String>("counted", "one two three four five six") }
    }

    @Test
    fun `a token counter that fails refuses`() = withNode {
        val failing = mapOf<String, suspend (List<String>) -> Long>(
            "throwing" to { error("broken") },
            "negative" to { -1 },
            "late" to { withTimeout(1.milliseconds) { awaitCancellation() } },
        )
        failing.forEach { (name, counter) ->
            agent<String, String>(name, configure = {
                requirements {
                    maxTokens = 5
                    countTokens { texts -> counter(texts) }
                }
            }) { "ok" }
            val failed = failure(ErrorKind.PROMPT) { request<String>(name, "one") }
            assertEquals("counter_failed", failed.code)
        }
    }

    @Test
    fun `credentials are brought along by the target's id`() = withNode {
        val guarded = agent<String, String>("guarded", configure = {
            requirements { sharedSecret("open-sesame") }
        }) { "in" }
        failure(ErrorKind.AUTH) { request<String>(guarded.agentId, "?") }
        credentials.set(guarded.agentId, "open-sesame", "shared_secret")
        assertEquals("in", request<String>(guarded.agentId, "?"))
        credentials.remove(guarded.agentId)
        failure(ErrorKind.AUTH) { request<String>(guarded.agentId, "?") }
        credentials.set(guarded.agentId) { Credential("shared_secret", "open-sesame") }
        assertEquals("in", request<String>(guarded.agentId, "?"))
    }

    @Test
    fun `conversations, context and templates are seen by the handler`() = withNode {
        agent<String, Int>("talk", configure = { recordsInteractionContext = true }) {
            history().size
        }
        val turns = List(2) { request<Int>("talk", "again") { conversationId = "c" } }
        assertEquals(listOf(0, 2), turns)
        agent<String, String>("context") {
            request.context?.entries.orEmpty().joinToString { "${it.key}=${it.text}" }
        }
        val told = Context(entries = listOf(ContextEntry("a", "one")))
        assertEquals("a=one", request<String>("context", "?") { context = told })
        val template = kotlinx.serialization.json.JsonObject(
            mapOf(
                "metadata" to
                    kotlinx.serialization.json.JsonObject(mapOf("k" to JsonPrimitive("v"))),
            ),
        )
        templates.set("t", template)
        assertEquals(listOf("t"), templates.names())
        agent<String, String>("meta") { request.metadata["k"].toString() }
        assertEquals("\"v\"", request<String>("meta", "?") { this.template = "t" })
        templates.remove("t")
    }
}
