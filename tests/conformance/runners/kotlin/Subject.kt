package dev.hubless.conformance

import dev.hubless.AgentHandler
import dev.hubless.AgentOptions
import dev.hubless.Binary
import dev.hubless.CallContext
import dev.hubless.Content
import dev.hubless.ContentType
import dev.hubless.Effect
import dev.hubless.ErrorKind
import dev.hubless.Health
import dev.hubless.HublessException
import dev.hubless.Interval
import dev.hubless.Node
import dev.hubless.Part
import dev.hubless.RegisteredAgent
import dev.hubless.Requirements
import dev.hubless.Retry
import dev.hubless.SkillOptions
import dev.hubless.agent
import dev.hubless.register
import dev.hubless.registerFactory
import dev.hubless.request
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.longOrNull
import java.security.MessageDigest
import java.time.LocalDate
import java.util.HexFormat
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.milliseconds

@Serializable
private data class Addends(val a: Long, val b: Long)

@Serializable
private data class Sum(val sum: Long)

@Serializable
private data class BlobDigest(
    val size: Long,
    val sha256: String,
    val streamed: Boolean,
    val mediaType: String,
)

@Serializable
private data class Size(val size: Int)

@Serializable
private data class Number(val n: Int)

@Serializable
private data class Wait(val ms: Long)

@Serializable
private data class Count(val count: Int)

@Serializable
private data class Run(val run: Int)

@Serializable
private data class FromTool(val fromTool: JsonElement)

@Serializable
private data class Got(val got: JsonElement)

@Serializable
private data class Nested(
    val to: String,
    val value: JsonElement,
    @SerialName("after_ms") val afterMs: Long = 0,
)

@Serializable
private data class NestedAnswer(val depth: Int, val inner: JsonElement)

@Serializable
private data class Decline(
    val kind: String,
    val field: String? = null,
    val retry: JsonElement? = null,
)

/** When a caller is told to ask again: a word, or so many milliseconds. */
private fun retryOf(told: JsonElement?): Retry? {
    val said = told as? JsonPrimitive ?: return null
    val ms = said.longOrNull ?: return if (said.content == "later") Retry.Later else Retry.Never
    return Retry.After(ms.milliseconds)
}

@Serializable
private data class Visit(
    val arrive: String? = null,
    val depart: String? = null,
    val transient: Boolean = false,
    val returnsOf: String? = null,
    val plain: Boolean = false,
    val ails: String? = null,
    val health: String = "up",
)

@Serializable
private data class Depth(
    val depth: Int,
    val caller: String,
    val from: String?,
    val deadlineMs: Long?,
)

@Serializable
private data class Traced(
    val traceparent: String,
    val tracestate: String?,
    val baggage: String?,
)

@Serializable
private data class Turns(val turns: Int)

@Serializable
private data class Stats(
    val runs: Map<String, Int>,
    val cancelled: Map<String, Int>,
    val poured: Int,
)

/** The agents that every language's cases are run against. */
internal class Subject(private val node: Node, private val prefix: String) {
    private val runs = ConcurrentHashMap<String, AtomicInteger>()
    private val guests = ConcurrentHashMap<String, RegisteredAgent>()
    private val cancelled = ConcurrentHashMap<String, AtomicInteger>()

    suspend fun register() {
        registerMessages()
        registerStreams()
        registerGuarded()
        registerChecked()
        registerFailing()
        registerCallbacks()
        registerCalls()
        Spenders(this).register()
        Enduring(this).register()
        Skilled { count(it) }.register(node, prefix)
        node.agent<Content, Stats>("$prefix.stats") {
            Stats(runs.counts(), cancelled.counts(), Enduring.poured.get())
        }
    }

    private suspend fun registerMessages() {
        serve("echo", { skill { effect = Effect.PURE } }) { call ->
            val (parts, metadata) = call.content.parts to call.content.metadata
            Content(parts.map { if (it is Part.Stream) copyOf(it) else it }, metadata)
        }
        add<Addends, Sum>("sum", { sumSchemas() }) { Sum(it.a + it.b) }
        add<Content, JsonElement>("context") { seenOf(request.context) }
        val own = Json.parseToJsonElement(OWN_TEMPLATE) as JsonObject
        add<Content, JsonElement>("templated", { requestTemplate = own }) {
            seenOf(request.context)
        }
        add<Content, String>("rates", { skill { facts() } }) { "ok" }
        val vast: Requirements.() -> Unit = {
            maxRequestBytes = 536_870_912
            maxBinaryBytes = 536_870_912
        }
        add<Content, BlobDigest>("digest", { requirements(vast) }) { content ->
            digest(content.binaries.single())
        }
    }

    private fun SkillOptions.facts() {
        attribute("pair", listOf("EUR/USD"))
        attribute("period", Interval(LocalDate.of(2021, 1, 1), LocalDate.of(2024, 12, 31)))
        attribute("resolution_s", 60)
    }

    private fun copyOf(part: Part.Stream): Part =
        Part.Stream(part.mediaType, part.reader(), part.filename, part.size)

    private fun AgentOptions.sumSchemas() = skill {
        effect = Effect.PURE
        // Nothing beside the two numbers: stricter than what is derived from the type.
        inputSchema = Json.parseToJsonElement(SUM_INPUT) as JsonObject
    }

    private suspend fun registerStreams() {
        add<Size, Content>("make") { made ->
            Content.of(Part.Stream("application/octet-stream", pattern(made.size, 65_536)))
        }
        add<Number, Number>("count", { streaming = true }) { wanted ->
            for (n in 1..wanted.n) {
                emit(n.toString(), append = false)
                if (n == wanted.n / 2) progress("half", 0.5)
            }
            wanted
        }
        add<Wait, String>("slow") { wait(it) }
    }

    private suspend fun registerGuarded() {
        guarded("secret", "in") { sharedSecret("open-sesame") }
        guarded("badge", "in") { token(ROOT, mapOf("team" to "finance", "level" to 3)) }
        guarded("guarded", "in") {
            auth {
                if (it.credential == "slowly") delay(SLOWLY_MS)
                it.scheme == "custom" && it.credential in setOf("letmein", "slowly")
            }
        }
        add<Content, String>("modelled", { models() }) { "ok" }
        val adds = Json.parseToJsonElement("""{"tools":["add"]}""") as JsonObject
        add<Content, String>("equipped", { needs = adds }) { "ok" }
        add<Content, String>("kept", { identity = "$prefix.kept" }) { "ok" }
        guarded("textonly", "ok") { acceptedContent = setOf(ContentType.TEXT) }
        guarded("frugal", "ok") { maxTokens = 16 }
        guarded("counted", "ok") {
            maxTokens = 5
            countTokens { texts -> texts.sumOf { it.split(' ').size.toLong() } }
        }
        val single: Requirements.() -> Unit = {
            maxConcurrency = 1
            queue = 0
        }
        add<Wait, String>("single", { requirements(single) }) { wait(it) }
    }

    /** One agent for each check that comes before a handler; `strict` has most of them. */
    private suspend fun registerChecked() {
        repeat(10) { guarded("wide$it", "ok") { maxConcurrency = 1024 } }
        guarded("private", "ok") { allowedCallers { principals = listOf("mesh:nobody") } }
        guarded("members", "ok") { allowedCallers { principals = listOf("mesh:*") } }
        guarded("hurried", "ok") {
            ratePerSecond = 0.01
            rateBurst = 1
        }
        guarded("small", "ok") { maxRequestBytes = 2_000 }
        guarded("lean", "ok") { maxBinaryBytes = 1_000 }
        guarded("dialogue", "ok") { requireConverse = true }
        guarded("plain", "ok") { allowCustomJson = false }
        guarded("sealed", "ok") { allowCustomContext = false }
        guarded("onepage", "ok") { allowMultiPageContext = false }
        guarded("unique", "ok") { allowAgentDuplication = false }
        guarded("strict", "ok") {
            sharedSecret("open-sesame")
            maxRequestBytes = 4_000
            acceptedContent = setOf(ContentType.TEXT)
            requireConverse = true
            allowCustomJson = false
            allowCustomContext = false
            maxTokens = 8
        }
    }

    private suspend fun registerFailing() {
        add<Content, String>("fail") { error("broken on purpose") }
        add<Content, String>("refuse") {
            throw HublessException(ErrorKind.DENIED, "refused on purpose", code = "not_today")
        }
        add<Decline, String>("decline") {
            val (kind, field, retry) = it
            val message = "declined on purpose"
            throw HublessException(ErrorKind.of(kind), message, "not_now", retryOf(retry), field)
        }
        serve("wrong", { skill { outputSchema = requiredX() } }) { mapOf("y" to 1) }
        add<Content, Run>("once", { skill { effect = Effect.IDEMPOTENT } }) {
            Run(runs.getValue("once").get())
        }
    }

    private suspend fun registerCallbacks() {
        add<JsonElement, FromTool>("tool") { FromTool(callTool<JsonElement>("add", it)) }
        add<Content, String>("eager") {
            repeat(EAGER_CALLS) { callTool<JsonElement>("add", mapOf("a" to 1, "b" to 2)) }
            "done"
        }
        add<Content, JsonElement>("badtool") { callTool<JsonElement>("undeclared") }
        add<Content, Got>("ask") { Got(askCaller<JsonElement>("which?")) }
        add<Content, Turns>("talk", { recordsInteractionContext = true }) { Turns(history().size) }
    }

    private suspend fun registerCalls() {
        node.registerFactory("$prefix.fresh") {
            val own = AtomicInteger()
            AgentHandler { call ->
                counted("fresh", call) { mapOf("count" to own.incrementAndGet()) }
            }
        }
        add<Nested, NestedAnswer>("nested") { nested(it) }
        val alone: Requirements.() -> Unit = { reentrant = false }
        add<Nested, NestedAnswer>("alone", { requirements(alone) }) { nested(it) }
        add<Visit, String>("visit") { visited(it) }
        add<Content, Depth>("depth") { depthOf(this) }
        val all: AgentOptions.() -> Unit = { requirements { allowExternalConnections = true } }
        add<Content, Depth>("open", all) { depthOf(this) }
        add<Content, Traced>("trace") {
            Traced(trace.traceparent, trace.tracestate, trace.baggage)
        }
    }

    /** Agents that come and go in this node. */
    private suspend fun visited(visit: Visit): String {
        visit.arrive?.let {
            val runs = AtomicInteger()
            val how: AgentOptions.() -> Unit = {
                transient = visit.transient
                visit.returnsOf?.let { from -> requirements { acceptReturnsFrom = listOf(from) } }
            }
            val name = if (visit.plain) it else "$prefix.$it"
            val guest = node.agent<Content, String>(name, configure = how) {
                if (visit.returnsOf == null) "ok" else runs.incrementAndGet().toString()
            }
            guests[it] = guest
            if (visit.transient) return guest.reach
        }
        visit.ails?.let { guests[it]?.health(Health.valueOf(visit.health.uppercase())) }
        visit.depart?.let { guests.remove(it)?.unregister() }
        return "ok"
    }

    private suspend fun CallContext.nested(asked: Nested): NestedAnswer {
        delay(asked.afterMs)
        val inner = node.request<JsonElement>(asked.to, asked.value) { wait = PATIENCE }
        return NestedAnswer(depth, inner)
    }

    private fun depthOf(call: CallContext): Depth {
        val left = call.deadline?.inWholeMilliseconds
        return Depth(call.depth, call.caller.kind.name.lowercase(), call.caller.agentId, left)
    }

    private suspend fun wait(wait: Wait): String {
        delay(wait.ms)
        return "done"
    }

    private suspend fun guarded(name: String, answer: String, rules: Requirements.() -> Unit) =
        add<Content, String>(name, { requirements(rules) }) { answer }

    /** Registers an agent whose starts are counted. */
    suspend inline fun <reified I, reified O> add(
        name: String,
        noinline configure: AgentOptions.() -> Unit = {},
        noinline handler: suspend CallContext.(I) -> O,
    ) {
        node.agent<I, O>("$prefix.$name", configure = { ownSkill(name, configure) }) { input ->
            counted(name, this) { handler(input) }
        }
    }

    /** Registers an agent of which each call has an instance of its own. */
    suspend fun isolated(name: String, handler: suspend CallContext.(CallContext) -> Any?) {
        node.registerFactory("$prefix.$name") {
            AgentHandler { call -> counted(name, call) { call.handler(call) } }
        }
    }

    private suspend fun serve(
        name: String,
        configure: AgentOptions.() -> Unit,
        handler: suspend (CallContext) -> Any?,
    ) {
        node.register("$prefix.$name", { call -> counted(name, call) { handler(call) } }) {
            ownSkill(name, configure)
        }
    }

    /** The skill bears the name without the prefix. */
    private fun AgentOptions.ownSkill(name: String, configure: AgentOptions.() -> Unit) {
        skill { id = name }
        configure()
    }

    private suspend fun <T> counted(name: String, call: CallContext, run: suspend () -> T): T {
        count(name)
        try {
            return run()
        } catch (stopped: CancellationException) {
            if (call.isCancelled) {
                cancelled.computeIfAbsent(name) { AtomicInteger() }.incrementAndGet()
            }
            throw stopped
        }
    }

    private fun count(name: String) {
        runs.computeIfAbsent(name) { AtomicInteger() }.incrementAndGet()
    }

    private fun Map<String, AtomicInteger>.counts() = mapValues { it.value.get() }

    private fun AgentOptions.models() {
        contextProtocol = "pcp"
        allowedModels = Json.parseToJsonElement("""{"chat":["small-1"]}""") as JsonObject
    }

    private companion object {
        /** How long `guarded` looks at the credential `slowly`. */
        const val SLOWLY_MS = 1_000L

        /** One more than a request may have. */
        const val EAGER_CALLS = 65

        /** Signed the tokens that `badge` takes. */
        const val ROOT = "97e92cbf815223ddc790124e79febc6a368b1fadda85b9c431a8bba5d59e5be8"
        const val OWN_TEMPLATE = """{"context":{"explanation":"of the descriptor"}}"""
        const val SUM_INPUT =
            """{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},""" +
                """"required":["a","b"],"additionalProperties":false}"""

        fun requiredX() =
            Json.parseToJsonElement("""{"type":"object","required":["x"]}""") as JsonObject

        suspend fun digest(part: Binary): BlobDigest {
            val sha = MessageDigest.getInstance("SHA-256")
            var size = 0L
            part.reader().collect {
                sha.update(it)
                size += it.size
            }
            val hex = HexFormat.of().formatHex(sha.digest())
            return BlobDigest(size, hex, part is Part.Stream, part.mediaType)
        }
    }
}

/** The bytes (i * 31 + 7) mod 251, in pieces. */
internal fun pattern(size: Int, piece: Int): Flow<ByteArray> = flow {
    for (from in 0 until size step piece) {
        emit(ByteArray(minOf(piece, size - from)) { patternByte(from + it) })
    }
}

/** One byte of [pattern]. */
internal fun patternByte(index: Int): Byte = ((index.toLong() * 31 + 7) % 251).toByte()
