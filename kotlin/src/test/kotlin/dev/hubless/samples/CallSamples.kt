package dev.hubless.samples

import dev.hubless.Accept
import dev.hubless.AgentRequest
import dev.hubless.Chunk
import dev.hubless.Content
import dev.hubless.Context
import dev.hubless.ContextEntry
import dev.hubless.ContextPage
import dev.hubless.ErrorKind
import dev.hubless.HublessException
import dev.hubless.Limit
import dev.hubless.NetworkPath
import dev.hubless.Part
import dev.hubless.Rejected
import dev.hubless.RetryPolicy
import dev.hubless.Role
import dev.hubless.Skill
import dev.hubless.StreamItem
import dev.hubless.Tool
import dev.hubless.Trace
import dev.hubless.agent
import dev.hubless.ask
import dev.hubless.events
import dev.hubless.failure
import dev.hubless.proxy
import dev.hubless.request
import dev.hubless.send
import dev.hubless.stream
import dev.hubless.streamingAgent
import dev.hubless.withNode
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.flow.toList
import kotlinx.serialization.Serializable
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Serializable
private data class Name(val name: String)

/** An agent as its callers see it. */
private interface Greeter {
    @Skill("greet")
    suspend fun greet(name: String): String
}

/** What the documentation of calls shows. */
class CallSamples {
    @Test
    fun reply() = withNode {
        agent<String, String>("greet") { "hello $it" }
        val reply = ask("greet", "Ada")
        assertEquals("hello Ada" to "greet", reply.text to reply.agent.name)
        assertEquals(NetworkPath.IN_PROCESS to 0L, reply.path to reply.usage.inputTokens)
        assertTrue(reply.timing.handler >= Duration.ZERO)
    }

    @Test
    fun options() = withNode {
        agent<String, String>("greet") { "hello $it" }
        val answer = request<String>("greet", "Ada") {
            timeout = 5.seconds
            retry = RetryPolicy(attempts = 3, on = setOf(ErrorKind.BUSY, ErrorKind.TRANSPORT))
            accept = Accept(mediaTypes = listOf("text/plain"))
            trace = Trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        }
        assertEquals("hello Ada", answer)
    }

    @Test
    fun send() = withNode {
        agent<String, String>("greet") { "hello $it" }
        val response = send(AgentRequest("greet", prompt = "Ada"))
        assertEquals("hello Ada" to null, response.output?.text to response.rejection)
    }

    @Test
    fun stream() = withNode {
        streamingAgent<String, String>("words") { text ->
            progress("splitting", 0.1)
            text.split(' ').asFlow()
        }
        assertEquals(
            listOf("one", "two"),
            stream<Chunk>("words", "one two").toList().map {
                it.text
            },
        )
        assertTrue(events("words", "one two").toList().last() is StreamItem.Final)
    }

    @Test
    fun tool() = withNode {
        agent<String, Int>("planner") {
            assertEquals("double", request.tools.single().name)
            callTool("double", 4)
        }
        val double = Tool.of<Int, Int>("double", "doubles a number") { it * 2 }
        assertEquals(8, request<Int>("planner", "twice four?") { tool(double) })
    }

    @Test
    fun question() = withNode {
        agent<String, String>("unsure") { askCaller<String>("which one?") }
        val answer = request<String>("unsure", "?") {
            onInput { question -> "the last: ${question.prompt.text}" }
        }
        assertEquals("the last: which one?", answer)
    }

    @Test
    fun context() = withNode {
        agent<String, String?>("told") { request.context?.pages?.single()?.entries?.single()?.text }
        val style = ContextPage("style", listOf(ContextEntry("tone", "formal", weight = 1.0)))
        val told = Context(pages = listOf(style), explanation = "how to answer")
        assertEquals("formal", request<String?>("told", "?") { context = told })
    }

    @Test
    fun content() = withNode {
        agent<Content, Content>("echo") { it }
        val content = Content.of(Part.Text("be brief", Role.SYSTEM), Part.Text("why?", Role.USER))
        val back = request<Content>("echo", content)
        assertEquals(listOf(Role.SYSTEM, Role.USER), back.parts.map { it.role })
    }

    @Test
    fun bytes() = withNode {
        agent<Content, Int>("size") { it.binaries.single().bytes().size }
        assertEquals(3, request<Int>("size", Part.Blob("image/png", ByteArray(3))))
        val pieces = flowOf(ByteArray(2), ByteArray(5))
        assertEquals(7, request<Int>("size", Part.Stream("image/png", pieces)))
    }

    @Test
    fun errors() = withNode {
        agent<String, String>("shop") {
            throw HublessException(ErrorKind.DENIED, "closed on sundays", "closed_today")
        }
        val refused = failure(ErrorKind.DENIED) { request<String>("shop", "open?") }
        assertTrue(refused is Rejected)
        assertEquals("closed_today", refused.code)
    }

    @Test
    fun bounds() = withNode {
        val long =
            failure(ErrorKind.INVALID_ARGUMENT) { agent<String, String>("n".repeat(65)) { it } }
        assertEquals("name" to Limit("NAME_CHARS", 64), long.field to long.limit)
    }

    @Test
    fun deadline() = withNode {
        val absent = failure(ErrorKind.NOT_FOUND) {
            request<String>("nobody", "?") { wait = 10.milliseconds }
        }
        assertEquals(dev.hubless.Retry.Later, absent.retry)
    }

    @Test
    fun proxy() = withNode {
        agent<Name, String>("greet") { "hello ${it.name}" }
        val greeter = proxy(Greeter::class, "greet")
        assertEquals("hello Ada", greeter.greet("Ada"))
    }
}
