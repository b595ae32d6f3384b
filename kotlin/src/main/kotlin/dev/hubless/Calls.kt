package dev.hubless

import dev.hubless.internal.Event
import dev.hubless.internal.Hooks
import dev.hubless.internal.Offers
import dev.hubless.internal.Outgoing
import dev.hubless.internal.Session
import dev.hubless.internal.Shape
import dev.hubless.internal.Ties
import dev.hubless.internal.child
import dev.hubless.internal.contentOfValue
import dev.hubless.internal.errorOf
import dev.hubless.internal.json
import dev.hubless.internal.long
import dev.hubless.internal.obj
import dev.hubless.internal.pull
import dev.hubless.internal.putTools
import dev.hubless.internal.replyOf
import dev.hubless.internal.request
import dev.hubless.internal.responseOf
import dev.hubless.internal.streamItemOf
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.put
import java.lang.ref.Reference

/**
 * Asks the agent [to] and returns the answer as an [O].
 *
 * The input may be text, a `@Serializable` value, JSON, a [Part] or [Content]; [O] text, a
 * `@Serializable` type, JSON, bytes, [Content], or `Unit` for none. Cancelling the coroutine
 * cancels the handler at the other end.
 *
 * @param to id, address, `name` or `name@mesh`
 * @throws Rejected if the agent or its node refused
 * @throws HublessException for every other failure
 */
public suspend inline fun <reified O> Node.request(
    to: String,
    input: Any? = null,
    noinline configure: RequestOptions.() -> Unit = {},
): O = typedRequest(to, input, shapeOf<O>(), configure)

/** Asks the agent [to] and returns the answer with its usage, timing and path. */
public suspend fun Node.ask(
    to: String,
    input: Any? = null,
    configure: RequestOptions.() -> Unit = {},
): Reply = exchange("request", JsonPrimitive(to), input, RequestOptions().apply(configure)) {
    replyOf(it.body, it.attachments)
}

/** Asks the best answer to [query]. */
public suspend fun Node.ask(
    query: Query,
    input: Any? = null,
    configure: RequestOptions.() -> Unit = {},
): Reply {
    val to = obj { put("query", query.json()) }
    return exchange("request", to, input, RequestOptions().apply(configure)) {
        replyOf(it.body, it.attachments)
    }
}

/** Asks the agent [to]; a refusal is part of the result instead of being thrown. */
public suspend fun Node.send(
    to: String,
    input: Any? = null,
    configure: RequestOptions.() -> Unit = {},
): Response = exchange("send", JsonPrimitive(to), input, RequestOptions().apply(configure)) {
    responseOf(it.body, it.attachments)
}

/**
 * The short form of a request that people and models write.
 *
 * @property agent id, address or name
 * @property prompt what is asked, in words; comes before the content
 * @property content what is asked, in parts
 * @property skill skill to be used
 * @property promptSchema JSON schema that the prompt fits
 * @property template stored template to start from
 * @property tools functions that the callee may call back while it works
 * @property killSwitch pays for the call and stops it, see [RequestOptions.killSwitch]
 * @property max the most that the call may be given of its budget
 * @sample dev.hubless.samples.CallSamples.send
 */
public data class AgentRequest @JvmOverloads constructor(
    public val agent: String,
    public val prompt: String? = null,
    public val content: Content? = null,
    public val skill: String? = null,
    public val promptSchema: JsonObject? = null,
    public val template: String? = null,
    public val tools: List<Tool> = emptyList(),
    public val killSwitch: KillSwitch? = null,
    public val max: Allowance? = null,
)

/** Sends a request in its short form; a refusal is part of the result. */
public suspend fun Node.send(request: AgentRequest): Response {
    val options = RequestOptions().apply {
        request.tools.forEach { tool(it) }
        killSwitch = request.killSwitch
    }
    val out = Outgoing(session)
    val ties = tiesOf(options)
    val content = request.content?.let { out.content(it) }
    val body = obj {
        put("agent", request.agent)
        request.prompt?.let { put("prompt", it) }
        content?.let { put("content", it) }
        request.skill?.let { put("skill", it) }
        request.promptSchema?.let { put("promptSchema", it) }
        request.template?.let { put("template", it) }
        ties.parent?.let { put("parent", it) }
        ties.switch?.let { put("killSwitch", it) }
        request.max?.let { put("max", it.json()) }
        putTools(options)
    }
    return offering(options) { onTicket ->
        out.whileWriting(toTheEnd = false) {
            val hooks = Hooks(onTicket = onTicket)
            val event = session.call("send", body, out.attachments, hooks)
            session.responseOf(event.body, event.attachments)
        }
    }
}

/**
 * Asks the agent [to] when collected and emits the pieces of its answer as [O]s, under
 * back-pressure. An answer without pieces is emitted as one. Ending collection cancels the call.
 */
public inline fun <reified O> Node.stream(
    to: String,
    input: Any? = null,
    noinline configure: RequestOptions.() -> Unit = {},
): Flow<O> = typedStream(to, input, shapeOf<O>(), configure)

/** Asks the agent [to] when collected and emits everything that happens, the answer last. */
public fun Node.events(
    to: String,
    input: Any? = null,
    configure: RequestOptions.() -> Unit = {},
): Flow<StreamItem> = flow {
    val options = RequestOptions().apply(configure)
    val out = Outgoing(session)
    val ties = tiesOf(options)
    val body = out.request(JsonPrimitive(to), contentOfValue(input), options, ties)
    val collector = this
    offering(options) { onTicket ->
        out.whileWriting(toTheEnd = false) {
            val hooks = Hooks(onTicket = onTicket)
            val opened = session.call("stream", body, out.attachments, hooks)
            val items = flow { pull(session, opened.body.long("stream") ?: 0) }
            items.mapNotNull { (item, files) -> session.streamItemOf(item, files) }
                .collect(collector)
        }
    }
}

/**
 * Runs the checks of an agent hosted here without calling it; null if it would be accepted.
 * Nothing is counted, so neither its rate nor its queue is asked.
 */
public suspend fun Node.check(
    agent: RegisteredAgent,
    input: Any? = null,
    configure: RequestOptions.() -> Unit = {},
): ErrorDetails? {
    val options = RequestOptions().apply(configure)
    val out = Outgoing(session)
    val ties = tiesOf(options)
    val request = out.request(JsonPrimitive(agent.name), contentOfValue(input), options, ties)
    val body = obj {
        put("agent", agent.handle)
        put("request", request)
    }
    val result = options.held { session.call("check", body, out.attachments).body }
    return result.child("rejection")?.let { errorOf(it).details }
}

@PublishedApi
internal suspend fun <O> Node.typedRequest(
    to: String,
    input: Any?,
    shape: Shape<O>,
    configure: RequestOptions.() -> Unit,
): O = shape.read(ask(to, input, configure).content, "request")

@PublishedApi
internal fun <O> Node.typedStream(
    to: String,
    input: Any?,
    shape: Shape<O>,
    configure: RequestOptions.() -> Unit,
): Flow<O> = flow {
    var pieces = 0
    events(to, input, configure).collect { item ->
        when (item) {
            is Chunk -> {
                pieces++
                emit(shape.ofChunk(item))
            }
            is StreamItem.Final -> if (pieces == 0) emit(shape.ofFinal(item.reply))
            is StreamItem.Accepted, is StreamItem.Progress -> Unit
        }
    }
}

@Suppress("UNCHECKED_CAST")
private suspend fun <O> Shape<O>.ofChunk(chunk: Chunk): O =
    if (type == Chunk::class.java) chunk as O else read(Content.of(chunk.part), "stream")

@Suppress("UNCHECKED_CAST")
private suspend fun <O> Shape<O>.ofFinal(reply: Reply): O {
    if (type != Chunk::class.java) return read(reply.content, "stream")
    return Chunk(reply.content.parts.singleOrNull() ?: Part.Text(reply.text), false) as O
}

/** One question and its answer, with everything that goes on meanwhile. */
private suspend fun <T> Node.exchange(
    op: String,
    to: JsonElement,
    input: Any?,
    options: RequestOptions,
    read: Session.(Event) -> T,
): T {
    val out = Outgoing(session)
    val body = out.request(to, contentOfValue(input), options, tiesOf(options))
    return offering(options) { onTicket ->
        out.whileWriting(toTheEnd = false) {
            session.read(session.call(op, body, out.attachments, Hooks(onTicket = onTicket)))
        }
    }
}

/** Keeps the functions that a request offers callable while [block] runs. */
private suspend fun <T> Node.offering(
    options: RequestOptions,
    block: suspend (onTicket: ((Long) -> Unit)?) -> T,
): T {
    val offers = Offers(options, currentCoroutineContext())
    if (!offers.any) return options.held { block(null) }
    var ticket = 0L
    try {
        return options.held {
            block {
                ticket = it
                host.offers[it] = offers
            }
        }
    } finally {
        host.offers.remove(ticket)
    }
}

/** Keeps the switch of a request while the core may still look for it. */
private suspend fun <T> RequestOptions.held(block: suspend () -> T): T = try {
    block()
} finally {
    Reference.reachabilityFence(killSwitch)
}

/**
 * What a request belongs to: the call named, else the one being handled; the switch named, else
 * the one of the coroutine context, unless the call has a budget.
 */
private suspend fun tiesOf(options: RequestOptions): Ties {
    val context = currentCoroutineContext()
    val call = options.parent ?: context[CallContext]
    val around = context[KillSwitch].takeIf { call?.granted == null }
    return Ties(call?.handle, options.killSwitch ?: around)
}
