package dev.hubless.internal

import dev.hubless.CallContext
import dev.hubless.ErrorDetails
import dev.hubless.ErrorKind
import dev.hubless.HublessException
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.put

/** The code of one agent: what it answers, by the name of the skill asked for. */
internal fun interface Handler {
    /** Handles one call; a [Flow] is streamed, anything else is the whole answer. */
    suspend fun handle(call: CallContext): Any?
}

/** Makes the instance that handles a call. */
internal class Serving(private val shared: Handler?, private val factory: (() -> Instance)?) {
    /** An instance of its own for one call, and what is to be closed with it. */
    class Instance(val handler: Handler, val target: Any?)

    /** Handles a call from its start to its answer; throws what the handler throws. */
    suspend fun serve(context: CallContext, call: InboundCall): Unit = withContext(context) {
        if (call.fresh && factory != null) {
            val instance = factory.invoke()
            try {
                answer(context, instance.handler.handle(context))
            } finally {
                (instance.target as? AutoCloseable)?.close()
            }
        } else {
            val handler = shared ?: factory?.invoke()?.handler ?: throw noHandler()
            answer(context, handler.handle(context))
        }
    }

    private suspend fun answer(context: CallContext, result: Any?) {
        if (result is Flow<*>) {
            result.collect { context.emit(it) }
            finish(context, null)
        } else {
            finish(context, result)
        }
    }

    private suspend fun finish(context: CallContext, result: Any?) {
        val session = context.node.session
        val out = Outgoing(session)
        val whole = answering { contentOfValue(result) }
        val content = if (result == null || result is Unit) null else out.content(whole)
        val body = obj {
            put("call", context.handle)
            some("content", content)
        }
        out.whileWriting(toTheEnd = true) {
            try {
                answering { session.call("call.final", body, out.attachments) }
            } catch (stopped: CancellationException) {
                throw stopped
            } catch (over: HublessException) {
                // The caller has gone meanwhile: there is nobody left to be told.
                if (over.kind != ErrorKind.NOT_FOUND && over.kind != ErrorKind.CLOSED) throw over
            }
        }
    }

    private fun noHandler() = HublessException(
        ErrorDetails(ErrorKind.INTERNAL, "the agent has no handler"),
    )
}

/** What an answer cannot carry is a fault of the handler's, not of what it was asked. */
internal inline fun <T> answering(write: () -> T): T = try {
    write()
} catch (bad: HublessException) {
    if (bad.kind != ErrorKind.INVALID_ARGUMENT) throw bad
    throw HublessException(ErrorKind.HANDLER_FAILED, "the answer is wrong: ${bad.message}")
}
