package dev.hubless

import dev.hubless.internal.InboundCall
import dev.hubless.internal.Outgoing
import dev.hubless.internal.Shape
import dev.hubless.internal.contentOf
import dev.hubless.internal.contentOfValue
import dev.hubless.internal.emptyObject
import dev.hubless.internal.jsonOfValue
import dev.hubless.internal.long
import dev.hubless.internal.obj
import dev.hubless.internal.objects
import dev.hubless.internal.partOf
import dev.hubless.internal.pieceOfValue
import dev.hubless.internal.some
import dev.hubless.internal.text
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.job
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put
import java.time.Instant
import kotlin.coroutines.AbstractCoroutineContextElement
import kotlin.coroutines.CoroutineContext
import kotlin.time.Duration

/**
 * Where a caller stands.
 *
 * @sample dev.hubless.samples.AgentSamples.call
 */
public enum class CallerKind {
    /** In the same node. */
    LOCAL,

    /** A member of the mesh. */
    MEMBER,

    /** Of a mesh that this one trusts; this version refuses such calls (`unsupported`). */
    BRIDGED,

    /** A node without a token of the mesh. */
    EXTERNAL,

    /** A client of a gateway, for which a node of the mesh asks. */
    EDGE,
    ;

    internal companion object {
        fun of(wire: String?): CallerKind =
            entries.firstOrNull { it.name.equals(wire, ignoreCase = true) } ?: EXTERNAL
    }
}

/**
 * Who asks; vouched for by the connection, never taken from the message.
 *
 * @property kind where it stands
 * @property nodeKey its node
 * @property agentId the agent that asks, if one does
 * @property principal the name that rules go by
 * @property meshId its mesh
 * @property role its role there
 * @property groups its groups there
 * @sample dev.hubless.samples.AgentSamples.call
 */
public data class Caller(
    public val kind: CallerKind,
    public val nodeKey: String,
    public val agentId: String?,
    public val principal: String,
    public val meshId: String?,
    public val role: String?,
    public val groups: List<String>,
)

/**
 * A tool that the caller offers.
 *
 * @property name its name
 * @property description what it does, for models
 * @property inputSchema JSON schema of its arguments
 * @property effect what may be repeated; null if the caller does not say
 * @sample dev.hubless.samples.CallSamples.tool
 */
public data class OfferedTool(
    public val name: String,
    public val description: String,
    public val inputSchema: JsonObject,
    public val effect: Effect? = null,
)

/**
 * What was asked, as it came.
 *
 * @property id id of the request
 * @property attempt number of the attempt
 * @property skill skill to be used
 * @property content what is asked
 * @property context what is told besides
 * @property conversationId name of the conversation
 * @property tools what the caller offers to be called back
 * @property accept what the caller can make use of, as it came
 * @property authScheme scheme of the credential that was accepted
 * @property idempotencyKey key of repeats
 * @property inputSchema schema of the caller's for the content
 * @property outputSchema schema of the caller's for the answer
 * @property metadata anything else
 * @sample dev.hubless.samples.AgentSamples.call
 */
public class InboundRequest internal constructor(
    public val id: String,
    public val attempt: Int,
    public val skill: String?,
    public val content: Content,
    public val context: Context?,
    public val conversationId: String?,
    public val tools: List<OfferedTool>,
    public val accept: JsonObject,
    public val authScheme: String?,
    public val idempotencyKey: String?,
    public val inputSchema: JsonObject?,
    public val outputSchema: JsonObject?,
    public val metadata: JsonObject,
)

/**
 * The call that is being handled. It is the receiver of handlers and an element of their coroutine
 * context, so that calls made below it become its children by themselves.
 *
 * A cancelled call cancels the handler's coroutine.
 *
 * @sample dev.hubless.samples.AgentSamples.call
 */
public class CallContext internal constructor(
    /** The node that serves the call, for further calls. */
    public val node: Node,
    private val call: InboundCall,
) : AbstractCoroutineContextElement(CallContext) {
    internal val handle: Long get() = call.handle
    internal val isFresh: Boolean get() = call.fresh

    /** Who asks. */
    public val caller: Caller get() = call.caller

    /** What was asked. */
    public val request: InboundRequest get() = call.request

    /** The content of the request. */
    public val content: Content get() = call.request.content

    /** Depth of nested calls; 0 for a call from outside any. */
    public val depth: Int get() = call.depth

    /** Trace of the call, to be passed on literally. */
    public val trace: Trace get() = call.trace

    /** Time left, never less than zero; null if there is no end. */
    public val deadline: Duration? get() = call.deadline?.let {
        maxOf(-it.elapsedNow(), Duration.ZERO)
    }

    /** Whether the caller has gone away; the handler's coroutine is cancelled then as well. */
    public val isCancelled: Boolean get() = call.cancelled.get()

    /** What the call was given of its budget; null: it has none. */
    public val granted: Allowance? get() = call.granted

    /**
     * Sets the most of one spending aside before it begins, such as one request of a model.
     *
     * ```
     * spend(maxOutput = 1_000).use { it.used(output = think(maxTokens = 1_000).tokens) }
     * ```
     *
     * A handler that never does is charged all that its call was granted; one that spends nothing
     * by itself, and only calls others, says so with `spend().close()`. Without a budget nothing is
     * set aside, and what was used counts in the answer's usage alone.
     *
     * @param maxInput most tokens that a model reads
     * @param maxOutput most tokens that it writes
     * @param maxCost most cost, in millionths of the currency unit
     * @throws HublessException kind `budget_exhausted` if it does not fit into what is left of the
     *   call's grant, `killed` if the budget was stopped
     */
    public suspend fun spend(maxInput: Long = 0, maxOutput: Long = 0, maxCost: Long = 0): Spend {
        val body = obj {
            put("call", handle)
            put("inputTokens", maxInput)
            put("outputTokens", maxOutput)
            put("costMicros", maxCost)
        }
        return Spend(node.session.call("call.spend", body).body.long("spend") ?: 0)
    }

    /**
     * Stops this call and everything below it, for good: all that its grant pays for. Its handler
     * and those that it asked are cancelled, on any node, and nothing more is spent. The caller
     * gets kind `killed`, code `operator`; its budget, and what else that pays for, go on with
     * what was not used.
     *
     * @throws HublessException kind `not_found`, code `grant`, if the call has no budget: it holds
     *   nothing that could be stopped
     * @sample dev.hubless.samples.BudgetSamples.tripBelow
     */
    public suspend fun trip() {
        node.session.call("call.trip", obj { put("call", handle) })
    }

    /**
     * Gives a base URL and a short-lived key of the node's metering gateway, for a client of
     * OpenAI's API in this handler.
     *
     * What the key may take is set aside in the grant of the call first: of each the most that is
     * given, or a quarter of what is free. What the budget does not limit, and no most is given of,
     * only the node's own key limits; it counts in the usage of the answer alone. Each time it is
     * another key. All of them end with the call, with the stop of its budget, or with its total
     * deadline, and after ten minutes at the latest; what the gateway says they took is charged at
     * the end of the call, and all that was set aside where it says nothing.
     *
     * @param maxCost most cost, in millionths of the currency unit
     * @param maxInput most tokens that models read
     * @param maxOutput most tokens that they write
     * @throws HublessException kind `configuration`: code `no_budget`, `no_gateway`, or
     *   `token_limit` where tokens are to be limited and the node's own key is of version 2, which
     *   limits cost alone; kind `budget_exhausted` if it does not fit
     * @sample dev.hubless.samples.ProviderSamples.provider
     */
    public suspend fun provider(
        maxCost: Long? = null,
        maxInput: Long? = null,
        maxOutput: Long? = null,
    ): Provider {
        val body = obj {
            put("call", handle)
            some("maxInput", maxInput)
            some("maxOutput", maxOutput)
            some("maxCost", maxCost)
        }
        val given = node.session.call("call.provider", body).body
        return Provider(
            baseUrl = given.text("baseUrl").orEmpty(),
            apiKey = given.text("apiKey").orEmpty(),
            expires = Instant.ofEpochMilli(given.long("untilMs") ?: 0),
        )
    }

    /** Tells the caller how far the work has come; [fraction] is from 0 to 1. */
    public suspend fun progress(note: String = "", fraction: Double? = null) {
        node.session.call(
            "call.progress",
            obj {
                put("call", handle)
                put("note", note)
                some("fraction", fraction)
            },
        )
    }

    /**
     * Sends a piece of the answer; waits until there is room for it. Each part of a [Content] is a
     * piece of its own.
     *
     * @param append whether it goes on with the piece before; default as the core decides
     */
    public suspend fun emit(value: Any?, append: Boolean? = null) {
        val out = Outgoing(node.session)
        val content = out.content(pieceOfValue(value))
        val body = obj {
            put("call", handle)
            put("content", content)
            some("append", append)
        }
        out.whileWriting(toTheEnd = true) {
            node.session.call("call.chunk", body, out.attachments)
        }
    }

    /** Calls a tool of the caller and reads its result. */
    public suspend inline fun <reified O> callTool(name: String, arguments: Any? = null): O =
        callTool(shapeOf<O>(), name, arguments)

    /** Asks the caller back and reads the answer; waiting does not count as this call's time. */
    public suspend inline fun <reified O> askCaller(prompt: Any?, schema: JsonObject? = null): O =
        askCaller(shapeOf<O>(), prompt, schema)

    /** The turns of this conversation before this one; empty unless the agent records them. */
    public suspend fun history(): List<Part> {
        val event = node.session.call("call.history", obj { put("call", handle) })
        return event.body.objects("turns").mapNotNull { node.session.partOf(it, event.attachments) }
    }

    /** Adds to the usage that the caller is told at the end. */
    public suspend fun addUsage(
        inputTokens: Long = 0,
        outputTokens: Long = 0,
        costMicros: Long = 0,
        calls: Long = 0,
        model: String? = null,
    ) {
        node.session.call(
            "call.usage",
            obj {
                put("call", handle)
                put("inputTokens", inputTokens)
                put("outputTokens", outputTokens)
                put("costMicros", costMicros)
                put("calls", calls)
                some("model", model)
            },
        )
    }

    @PublishedApi
    internal suspend fun <O> callTool(shape: Shape<O>, name: String, arguments: Any?): O {
        val body = obj {
            put("call", handle)
            put("name", name)
            put("arguments", if (arguments == null) emptyObject else jsonOfValue(arguments))
        }
        val event = node.session.call("call.tool", body)
        return shape.read(node.session.contentOf(event.body, event.attachments), "call.tool")
    }

    @PublishedApi
    internal suspend fun <O> askCaller(shape: Shape<O>, prompt: Any?, schema: JsonObject?): O {
        val out = Outgoing(node.session)
        val content = out.content(contentOfValue(prompt))
        val body = obj {
            put("call", handle)
            put("prompt", content)
            some("schema", schema)
        }
        val event = out.whileWriting(toTheEnd = false) {
            node.session.call("call.input", body, out.attachments)
        }
        return shape.read(node.session.contentOf(event.body, event.attachments), "call.input")
    }

    /** Key of the call in a coroutine context. */
    public companion object Key : CoroutineContext.Key<CallContext>
}

/** The call that is being handled here, or null outside of any. */
public suspend fun currentCall(): CallContext? = currentCoroutineContext()[CallContext]
