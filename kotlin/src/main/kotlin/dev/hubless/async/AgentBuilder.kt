package dev.hubless.async

import dev.hubless.AgentOptions
import dev.hubless.AuthAttempt
import dev.hubless.CallContext
import dev.hubless.Content
import dev.hubless.Node
import dev.hubless.Part
import dev.hubless.RegisteredAgent
import dev.hubless.Verdict
import dev.hubless.internal.Handler
import dev.hubless.internal.Serving
import dev.hubless.internal.Shape
import dev.hubless.internal.serializerOf
import dev.hubless.registerAgent
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.future.await
import kotlinx.coroutines.future.future
import kotlinx.coroutines.runInterruptible
import kotlinx.serialization.KSerializer
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionStage
import java.util.concurrent.Executor
import java.util.function.Consumer
import java.util.function.Function
import java.util.function.ToLongFunction

/**
 * A handler that answers later; its stage is cancelled when the caller goes away.
 *
 * @sample dev.hubless.samples.AsyncSamples.builders
 */
public fun interface AsyncHandler<I, O> {
    /** Handles one call. */
    @Throws(Exception::class)
    public fun handle(input: I, call: AsyncCall): CompletionStage<O>
}

/**
 * A handler that answers when it returns; its thread is interrupted when the caller goes away.
 *
 * @sample dev.hubless.samples.AsyncSamples.blocking
 */
public fun interface BlockingHandler<I, O> {
    /** Handles one call. */
    @Throws(Exception::class)
    public fun handle(input: I, call: AsyncCall): O
}

/**
 * Builds an agent of one skill that bears its name; without types it takes and gives [Content].
 *
 * @sample dev.hubless.samples.AsyncSamples.builders
 */
public class AgentBuilder internal constructor(private val node: Node, name: String) {
    private val options = AgentOptions(name).apply { skill { } }
    private var executor: CoroutineDispatcher = Dispatchers.IO

    /** Says what the agent is for, for people and models. */
    public fun description(text: String): AgentBuilder = apply { options.description = text }

    /** Gives words to be found by. */
    public fun tags(vararg tags: String): AgentBuilder = apply { options.tags = tags.toSet() }

    /** Says everything else. */
    public fun configure(configure: Consumer<AgentOptions>): AgentBuilder =
        apply { configure.accept(options) }

    /** Lets in whom [check] lets in. */
    public fun auth(check: Function<AuthAttempt, CompletionStage<Boolean>>): AgentBuilder = apply {
        options.requirements { auth { attempt -> check.apply(attempt).await() } }
    }

    /** Lets in whom [check] lets in; its verdicts may be remembered for a time. */
    public fun authVerdict(
        check: Function<AuthAttempt, CompletionStage<Verdict>>,
    ): AgentBuilder = apply {
        options.requirements { authVerdict { attempt -> check.apply(attempt).await() } }
    }

    /** Counts tokens by [counter] instead of the built-in tokeniser. */
    public fun countTokens(counter: ToLongFunction<List<String>>): AgentBuilder = apply {
        options.requirements { countTokens { texts -> counter.applyAsLong(texts) } }
    }

    /** Gives the threads of blocking handlers; default those shared by all blocking work. */
    public fun executor(executor: Executor): AgentBuilder =
        apply { this.executor = executor.asCoroutineDispatcher() }

    /** Registers a handler that answers later. */
    public fun <I : Any, O : Any> handle(
        input: Class<I>,
        output: Class<O>,
        handler: AsyncHandler<I, O>,
    ): CompletableFuture<RegisteredAgent> = typed(input, output) { value, call ->
        handler.handle(value, AsyncCall(call)).await()
    }

    /** Registers a handler that answers when it returns. */
    public fun <I : Any, O : Any> handleBlocking(
        input: Class<I>,
        output: Class<O>,
        handler: BlockingHandler<I, O>,
    ): CompletableFuture<RegisteredAgent> = typed(input, output) { value, call ->
        runInterruptible(executor) { handler.handle(value, AsyncCall(call)) }
    }

    private fun <I : Any, O : Any> typed(
        input: Class<I>,
        output: Class<O>,
        handle: suspend (I, CallContext) -> O?,
    ): CompletableFuture<RegisteredAgent> {
        val (read, write) = javaShape(input) to javaShape(output)
        options.skill {
            inputSchema = inputSchema ?: read.schema()
            outputSchema = outputSchema ?: write.schema()
        }
        val handler = Handler { call ->
            when (val answer = handle(read.read(call.content, "call"), call)) {
                null, is Content, is Part -> answer
                else -> write.write(answer)
            }
        }
        return node.scope.future { node.registerAgent(options, Serving(handler, null)) }
    }
}

/** The shape of a Java class. */
internal fun <T> javaShape(type: Class<T>): Shape<T> = Shape(type) {
    @Suppress("UNCHECKED_CAST")
    serializerOf(type) as KSerializer<T>
}
