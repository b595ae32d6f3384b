package dev.hubless

import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlin.time.Duration

/**
 * Starts the configuration of a call, an agent or a question; nested blocks do not mix.
 *
 * @sample dev.hubless.samples.NodeSamples.block
 */
@DslMarker
@Target(AnnotationTarget.CLASS)
public annotation class HublessDsl

/**
 * Something that proves who asks.
 *
 * @property scheme name of the mechanism, such as `shared_secret`
 * @property secret the proof; never shown by [toString]
 * @sample dev.hubless.samples.NodeSamples.credentials
 */
public class Credential(public val scheme: String, public val secret: String) {
    override fun toString(): String = "Credential($scheme)"
}

/**
 * When to ask again, as far as the effect of the skill allows it.
 *
 * @property attempts how often in all
 * @property on the kinds of failure that are worth it
 * @sample dev.hubless.samples.CallSamples.options
 */
public data class RetryPolicy(public val attempts: Int, public val on: Set<ErrorKind>)

/**
 * W3C trace context, carried literally.
 *
 * @property traceparent the `traceparent` header
 * @property tracestate the `tracestate` header
 * @property baggage the `baggage` header
 * @sample dev.hubless.samples.CallSamples.options
 */
public data class Trace @JvmOverloads constructor(
    public val traceparent: String,
    public val tracestate: String? = null,
    public val baggage: String? = null,
)

/**
 * What the caller can make use of.
 *
 * @property mediaTypes media types of answers, empty for any
 * @property streaming whether chunks are wanted
 * @property contextProtocols context protocols that the caller speaks
 * @property models models that may be used
 * @sample dev.hubless.samples.CallSamples.options
 */
public data class Accept @JvmOverloads constructor(
    public val mediaTypes: List<String> = emptyList(),
    public val streaming: Boolean? = null,
    public val contextProtocols: List<String> = emptyList(),
    public val models: List<String> = emptyList(),
)

/**
 * A question that the callee asks back while it works.
 *
 * @property prompt the question
 * @property schema JSON schema of the answer, if it must have one
 * @sample dev.hubless.samples.CallSamples.question
 */
public class Question internal constructor(
    public val prompt: Content,
    public val schema: JsonObject?,
)

/**
 * Everything that may be said about one call; each field left null has the default of the core.
 *
 * @sample dev.hubless.samples.CallSamples.options
 */
@HublessDsl
public class RequestOptions {
    /** Skill to be used; default the only or matching one. */
    public var skill: String? = null

    /** Time to the first event and between events; default 60 s. */
    public var timeout: Duration? = null

    /** Time for the whole call; default none. */
    public var total: Duration? = null

    /** How long a name may take to appear; default 1 s. */
    public var wait: Duration? = null

    /** What the caller can make use of. */
    public var accept: Accept? = null

    /** Credential for the agent; default the one stored for it. */
    public var auth: Credential? = null

    /** Credential for the transport. */
    public var transportAuth: Credential? = null

    /** What the agent is told besides the content. */
    public var context: Context? = null

    /** Name of the conversation, at most 64 bytes. */
    public var conversationId: String? = null

    /** Schema that the content must fit, besides the skill's own. */
    public var inputSchema: JsonObject? = null

    /** Schema that the answer must fit, besides the skill's own. */
    public var outputSchema: JsonObject? = null

    /** What may be retried; default what the skill says. */
    public var effect: Effect? = null

    /**
     * Repeats with the same key and body within 10 min get the first outcome. Streamed parts are
     * compared by their `sha256`: a repeat with one that names none is refused with `conflict`.
     */
    public var idempotencyKey: String? = null

    /**
     * Agent that gets the answer instead of the caller, by id, address or name: one of this
     * node, or one whose [Requirements.acceptReturnsFrom] holds the callee's id. The reply is
     * then empty, and its content's metadata says under `hubless.returnedTo` where it went. Under
     * a budget the call pays for that.
     */
    public var returnTo: String? = null

    /** When to ask again; default never. */
    public var retry: RetryPolicy? = null

    /** Where data may go, as in the documentation of messages. */
    public var dataPolicy: JsonObject? = null

    /** Anything else the agent should see. */
    public var metadata: JsonObject? = null

    /** Extensions of the protocol; a critical one that is not known is refused. */
    public var extensions: JsonObject? = null

    /** Trace to be continued; default the one of the call being handled. */
    public var trace: Trace? = null

    /** The call on whose behalf this one is made; default the one being handled. */
    public var parent: CallContext? = null

    /** The agent of this node that asks; default the one handling [parent]. */
    public var from: RegisteredAgent? = null

    /**
     * Pays for the call and stops it; default the switch of the coroutine context, unless the call
     * belongs to one that has a budget, which pays for it.
     */
    public var killSwitch: KillSwitch? = null

    /** The most that the call may be given of its budget; default a quarter of what is free. */
    public var max: Allowance? = null

    /** Name of a stored template to start from. */
    public var template: String? = null

    internal val tools: MutableList<Tool> = ArrayList()
    internal var onInput: (suspend (Question) -> Any?)? = null

    /** Offers [tool] to the callee, which may call it back while it works. */
    public fun tool(tool: Tool) {
        tools.add(tool)
    }

    /** Offers a function to the callee; its schemas come from the types. */
    public inline fun <reified I, reified O> tool(
        name: String,
        description: String = "",
        effect: Effect? = null,
        noinline function: suspend (I) -> O,
    ): Unit = tool(Tool.of<I, O>(name, description, effect, function))

    /** Answers questions of the callee; without it a question fails the call. */
    public fun onInput(answer: suspend (Question) -> Any?) {
        onInput = answer
    }
}

/**
 * A function of the caller that the callee may call back.
 *
 * @property name its name, unique in the request
 * @property description what it does, for models
 * @property inputSchema JSON schema of its arguments, which are checked before it runs
 * @property outputSchema JSON schema of its result
 * @property effect what may be repeated
 * @sample dev.hubless.samples.CallSamples.tool
 */
public class Tool(
    public val name: String,
    public val description: String,
    public val inputSchema: JsonObject,
    public val outputSchema: JsonObject? = null,
    public val effect: Effect? = null,
    internal val function: suspend (JsonElement) -> Any?,
) {
    public companion object {
        /** Makes a tool of a function; its schemas come from the types. */
        public inline fun <reified I, reified O> of(
            name: String,
            description: String = "",
            effect: Effect? = null,
            noinline function: suspend (I) -> O,
        ): Tool = typedTool(name, description, effect, shapeOf<I>() to shapeOf<O>(), function)
    }
}
