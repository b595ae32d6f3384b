package dev.hubless.conformance

import dev.hubless.AgentOptions
import dev.hubless.CallContext
import dev.hubless.Content
import dev.hubless.Effect
import dev.hubless.ErrorKind
import dev.hubless.HublessException
import dev.hubless.Reply
import dev.hubless.Spends
import dev.hubless.ask
import dev.hubless.request
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.async
import kotlinx.coroutines.future.await
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.decodeFromJsonElement
import kotlinx.serialization.json.put
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.util.concurrent.CompletableFuture
import kotlin.concurrent.thread

@Serializable
internal data class Spent(
    val inputTokens: Long = 0,
    val outputTokens: Long = 0,
    val costMicros: Long = 0,
)

@Serializable
internal data class Spending(val most: Spent, val used: Spent? = null, val times: Int = 1)

@Serializable
internal data class SpendingAnswer(val spent: Int, val granted: JsonElement?)

@Serializable
internal data class Wanted(
    val inputTokens: Long? = null,
    val outputTokens: Long? = null,
    val costMicros: Long? = null,
)

@Serializable
internal data class Metering(val most: Wanted, val times: Int = 1)

@Serializable
internal data class Metered(val answered: Int, val status: Int)

@Serializable
internal data class Pass(val to: List<String>, val value: JsonElement)

@Serializable
internal data class Stray(val to: String)

@Serializable
internal data class Strayed(val drawn: List<String>, val refused: List<String>)

/** The agents of a subject that spend, or lose their call. */
internal class Spenders(private val subject: Subject) {
    /** Made before any call. */
    private val earlier = CoroutineScope(Dispatchers.Default + SupervisorJob())

    suspend fun register() {
        val spends: AgentOptions.() -> Unit = {
            skill {
                id = "spend"
                effect = Effect.AT_MOST_ONCE
                spends = Spends.TOKENS
            }
        }
        subject.add<Spending, SpendingAnswer>("spender", spends) { spent(it) }
        subject.add<Metering, Metered>("metered", spends) { metered(it) }
        val none: AgentOptions.() -> Unit = {
            skill {
                id = "spend"
                this.spends = Spends.NONE
            }
        }
        subject.add<Spending, SpendingAnswer>("thrifty", none) { spent(it) }
        subject.add<Content, String>("silent", { skill { this.spends = Spends.TOKENS } }) { "ok" }
        val required = buildJsonObject { put("grant", "required") }
        subject.add<Content, String>("needy", { needs = required }) {
            spend().close()
            "ok"
        }
        subject.add<Pass, JsonElement>("pass") { passed(it) }
        subject.isolated("clone") { passed(Json.decodeFromJsonElement(it.content.value!!)) }
        subject.add<Stray, Strayed>("stray") { strayed(it.to) }
    }

    private suspend fun CallContext.spent(asked: Spending): SpendingAnswer {
        repeat(asked.times) {
            val most = asked.most
            val spend = spend(most.inputTokens, most.outputTokens, most.costMicros)
            asked.used?.let { spend.used(it.inputTokens, it.outputTokens, it.costMicros) }
        }
        return SpendingAnswer(asked.times, granted?.json())
    }

    private suspend fun CallContext.metered(asked: Metering): Metered {
        val (input, output, cost) = asked.most
        val given = provider(maxCost = cost, maxInput = input, maxOutput = output)
        val post = HttpRequest.newBuilder(URI("${given.baseUrl}/chat/completions"))
            .header("authorization", "Bearer ${given.apiKey}")
            .header("content-type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(ASKED))
            .build()
        var (answered, status) = 0 to OK
        while (status == OK && answered < asked.times) {
            status = withContext(Dispatchers.IO) {
                client.send(post, HttpResponse.BodyHandlers.ofString()).statusCode()
            }
            if (status == OK) answered++
        }
        return Metered(answered, status)
    }

    private suspend fun CallContext.passed(asked: Pass): JsonElement {
        spend().close()
        val others = asked.to.drop(1)
        val value = if (others.isEmpty()) {
            asked.value
        } else {
            buildJsonObject {
                put("to", JsonArray(others.map(::JsonPrimitive)))
                put("value", asked.value)
            }
        }
        return node.request<JsonElement>(asked.to.first(), value) { wait = PATIENCE }
    }

    private suspend fun CallContext.strayed(to: String): Strayed {
        spend().close()
        val (drawn, refused) = ArrayList<String>() to ArrayList<String>()
        for ((name, lost) in ways) {
            try {
                lost { node.ask(to, "lost") }
                drawn.add(name)
            } catch (error: HublessException) {
                if (error.kind != ErrorKind.CONFIGURATION || error.code != "orphan") throw error
                refused.add(name)
            }
        }
        return Strayed(drawn, refused)
    }

    /** How a handler loses its call. */
    @OptIn(DelicateCoroutinesApi::class)
    private val ways = mapOf(
        "global" to way { ask -> GlobalScope.async { ask() }.await() },
        "future" to way { ask -> CompletableFuture.supplyAsync { runBlocking { ask() } }.await() },
        "thread" to way { ask ->
            val over = CompletableDeferred<Result<Reply>>()
            thread { over.complete(runCatching { runBlocking { ask() } }) }
            over.await().getOrThrow()
        },
        "relaunched" to way { ask -> earlier.async { ask() }.await() },
    )

    private fun way(run: suspend (suspend () -> Reply) -> Reply) = run

    private companion object {
        const val OK = 200
        const val ASKED =
            """{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hello"}]}"""

        /** The gateway speaks HTTP/1.1. */
        val client: HttpClient =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()
    }
}
