package dev.hubless.async

import dev.hubless.Allowance
import dev.hubless.CallContext
import dev.hubless.Effect
import dev.hubless.KillSwitch
import dev.hubless.Node
import dev.hubless.Part
import dev.hubless.Provider
import dev.hubless.Question
import dev.hubless.Reply
import dev.hubless.RequestOptions
import dev.hubless.Response
import dev.hubless.Spend
import dev.hubless.Tool
import dev.hubless.ask
import dev.hubless.internal.emptyObject
import dev.hubless.send
import dev.hubless.typedRequest
import dev.hubless.typedStream
import kotlinx.coroutines.future.await
import kotlinx.coroutines.future.future
import java.time.Duration
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionStage
import java.util.function.Consumer
import java.util.function.Function
import kotlin.time.toJavaDuration
import kotlin.time.toKotlinDuration

/**
 * Builds one call; the last step sends it.
 *
 * @sample dev.hubless.samples.AsyncSamples.builders
 */
public class CallBuilder internal constructor(
    private val node: Node,
    private val to: String,
    private val parent: CallContext? = null,
) {
    private var input: Any? = null
    private val steps = ArrayList<RequestOptions.() -> Unit>()
    private val configure: RequestOptions.() -> Unit = {
        parent = this@CallBuilder.parent
        steps.forEach { it() }
    }

    /** Says what is asked: text, a record, JSON, a part or content. */
    public fun input(value: Any?): CallBuilder = apply { input = value }

    /** Says which skill is to be used. */
    public fun skill(id: String): CallBuilder = apply { steps.add { skill = id } }

    /** Bounds the time to the first event and between events. */
    public fun timeout(time: Duration): CallBuilder =
        apply { steps.add { timeout = time.toKotlinDuration() } }

    /** Bounds the time of the whole call. */
    public fun total(time: Duration): CallBuilder =
        apply { steps.add { total = time.toKotlinDuration() } }

    /** Bounds how long a name may take to appear. */
    public fun waitFor(time: Duration): CallBuilder =
        apply { steps.add { wait = time.toKotlinDuration() } }

    /** Says what may be retried. */
    public fun effect(effect: Effect): CallBuilder = apply { steps.add { this.effect = effect } }

    /** Says what pays for the call and stops it. */
    public fun killSwitch(switch: KillSwitch): CallBuilder =
        apply { steps.add { killSwitch = switch } }

    /** Bounds what the call may be given of its budget. */
    public fun max(most: Allowance): CallBuilder = apply { steps.add { max = most } }

    /** Offers a function to the callee; its schema comes from the [input]. */
    public fun <I : Any> tool(
        name: String,
        description: String,
        input: Class<I>,
        function: Function<I, CompletionStage<*>>,
    ): CallBuilder = apply {
        val shape = javaShape(input)
        val tool = Tool(name, description, shape.schema() ?: emptyObject) { arguments ->
            function.apply(shape.decode(arguments, "tool $name")).await()
        }
        steps.add { tool(tool) }
    }

    /** Answers questions of the callee. */
    public fun onInput(answer: Function<Question, CompletionStage<*>>): CallBuilder =
        apply { steps.add { onInput { question -> answer.apply(question).await() } } }

    /** Says everything else. */
    public fun configure(configure: Consumer<RequestOptions>): CallBuilder =
        apply { steps.add { configure.accept(this) } }

    /** Sends it and reads the answer as a [type]. */
    public fun <O> request(type: Class<O>): CompletableFuture<O> =
        node.scope.future { node.typedRequest(to, input, javaShape(type), configure) }

    /** Sends it and gives the answer with its usage, timing and path. */
    public fun reply(): CompletableFuture<Reply> =
        node.scope.future { node.ask(to, input, configure) }

    /** Sends it; a refusal is part of the result. */
    public fun send(): CompletableFuture<Response> =
        node.scope.future { node.send(to, input, configure) }

    /** Sends it and gives each piece of the answer to [consumer], the next when it returns. */
    public fun <O> stream(type: Class<O>, consumer: Consumer<O>): CompletableFuture<Void?> =
        node.scope.future {
            node.typedStream(to, input, javaShape(type), configure).collect(consumer::accept)
            null
        }
}

/**
 * The call that is being handled, for handlers without coroutines.
 *
 * @sample dev.hubless.samples.AsyncSamples.blocking
 */
public class AsyncCall internal constructor(
    /** The call itself: who asks, what, until when. */
    public val context: CallContext,
) {
    private val scope get() = context.node.scope

    /** Whether the caller has gone away. */
    public val isCancelled: Boolean get() = context.isCancelled

    /** Time left; null if there is no end. */
    public val deadline: Duration? get() = context.deadline?.toJavaDuration()

    /** Begins a call on behalf of this one: its deadline, trace and end are inherited. */
    public fun call(to: String): CallBuilder = CallBuilder(context.node, to, context)

    /** What the call was given of its budget; null: it has none. */
    public val granted: Allowance? get() = context.granted

    /**
     * Sets the most of one spending aside before it begins, see [CallContext.spend]; the result is
     * closed at the end, or charged in full with the call.
     *
     * @param maxInput most tokens that a model reads
     * @param maxOutput most tokens that it writes
     * @param maxCost most cost, in millionths of the currency unit
     */
    @JvmOverloads
    public fun spend(
        maxInput: Long = 0,
        maxOutput: Long = 0,
        maxCost: Long = 0,
    ): CompletableFuture<Spend> = scope.future { context.spend(maxInput, maxOutput, maxCost) }

    /** Stops this call and everything below it, for good, see [CallContext.trip]. */
    public fun trip(): CompletableFuture<Void?> = scope.future {
        context.trip()
        null
    }

    /**
     * Gives a base URL and a short-lived key of the node's gateway, see [CallContext.provider].
     *
     * @param maxCost most cost, in millionths of the currency unit; null: a quarter of what is free
     */
    @JvmOverloads
    public fun provider(maxCost: Long? = null): CompletableFuture<Provider> =
        scope.future { context.provider(maxCost) }

    /** Tells the caller how far the work has come. */
    public fun progress(note: String, fraction: Double?): CompletableFuture<Void?> =
        scope.future {
            context.progress(note, fraction)
            null
        }

    /** Sends a piece of the answer; done when there is room for it. */
    public fun emit(value: Any?): CompletableFuture<Void?> = scope.future {
        context.emit(value)
        null
    }

    /** Calls a tool of the caller and reads its result as a [type]. */
    public fun <O> callTool(name: String, arguments: Any?, type: Class<O>): CompletableFuture<O> =
        scope.future { context.callTool(javaShape(type), name, arguments) }

    /** Asks the caller back and reads the answer as a [type]. */
    public fun <O> askCaller(prompt: Any?, type: Class<O>): CompletableFuture<O> =
        scope.future { context.askCaller(javaShape(type), prompt, null) }

    /** The turns of this conversation before this one. */
    public fun history(): CompletableFuture<List<Part>> = scope.future { context.history() }

    public companion object {
        /** The call that a method marked [dev.hubless.Skill] is given. */
        @JvmStatic
        public fun of(call: CallContext): AsyncCall = AsyncCall(call)
    }
}
