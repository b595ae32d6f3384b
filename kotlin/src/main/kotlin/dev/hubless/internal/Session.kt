package dev.hubless.internal

import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.serialization.json.JsonObject
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicLong

/** What an operation may want besides its answer; called on the pull thread, must not block. */
internal class Hooks(
    /** Sees the result before the caller goes on and before any later event. */
    val onDone: ((Event) -> Unit)? = null,
    /** Learns the ticket before the operation starts. */
    val onTicket: ((Long) -> Unit)? = null,
)

/**
 * One session of the core: operations as suspending calls, and one daemon thread that pulls events.
 *
 * Must not know what operations mean. No code of the user runs on the pull thread: results are
 * resumed through the caller's dispatcher, and [onEvent] launches handlers elsewhere; see
 * [PullThread] for dispatchers that would run them in place.
 */
internal class Session(
    /** Where work goes on that outlives the call it was begun for. */
    val background: CoroutineScope,
    private val onEvent: (Event) -> Unit,
) {
    private val handle = Native.open()
    private val tickets = AtomicLong()
    private val pending = ConcurrentHashMap<Long, Pending>()
    private val closed = AtomicBoolean()

    private class Pending(
        val operation: String,
        val continuation: CancellableContinuation<Event?>?,
        val hooks: Hooks?,
    ) {
        /** Ends it; with null when the session was closed before it could say how. */
        fun end(event: Event?) {
            // A result that nobody takes is given up by `call`, which sees the cancellation.
            continuation?.resume(event) { _, _, _ -> }
        }
    }

    /** Starts the thread that pulls events; once, before the first operation. */
    fun start() {
        PullThread(::pull).start()
    }

    val isClosed: Boolean get() = closed.get()

    /**
     * Runs one operation; cancelling the caller gives it up, also when its result is there already
     * and nobody takes it: the core then lets go of what the result opened.
     */
    suspend fun call(
        op: String,
        body: JsonObject,
        attachments: List<ByteArray> = emptyList(),
        hooks: Hooks? = null,
    ): Event {
        val ticket = tickets.incrementAndGet()
        val event = try {
            offThePullThread {
                suspendCancellableCoroutine<Event?> { continuation ->
                    continuation.invokeOnCancellation { Native.cancel(handle, ticket) }
                    start(ticket, Pending(op, continuation, hooks), body, attachments)
                }
            } ?: throw closedError(op)
        } catch (stopped: CancellationException) {
            Native.cancel(handle, ticket)
            throw stopped
        }
        if (event.kind == Event.FAILED) throw errorOf(event.body)
        return event
    }

    /** Starts an operation whose outcome nobody waits for. */
    fun post(op: String, body: JsonObject) {
        start(tickets.incrementAndGet(), Pending(op, null, null), body, emptyList())
    }

    /** Ends the session at once; everything open fails with kind `closed`. */
    fun close() {
        if (closed.compareAndSet(false, true)) {
            Native.close(handle)
            failPending()
        }
    }

    private fun start(
        ticket: Long,
        entry: Pending,
        body: JsonObject,
        attachments: List<ByteArray>,
    ) {
        val bytes = utf8(body)
        pending[ticket] = entry
        entry.hooks?.onTicket?.invoke(ticket)
        val files = if (attachments.isEmpty()) null else attachments.toTypedArray()
        if (!Native.submit(handle, ticket, entry.operation.toByteArray(), bytes, files)) {
            pending.remove(ticket)?.end(null)
        } else if (entry.continuation?.isCancelled == true) {
            // Given up before the core knew the ticket.
            Native.cancel(handle, ticket)
        }
    }

    private fun pull() {
        try {
            while (true) {
                val batch = Native.nextEvents(handle, BATCH_EVENTS) ?: break
                Event.batch(batch).forEach(::deliver)
            }
        } catch (failure: Throwable) {
            // The memory was too small for what came: some of those who wait would wait for ever.
            Log.say { Log.events.error("events were lost, the session ends", failure) }
        } finally {
            close()
            failPending()
        }
    }

    private fun deliver(event: Event) {
        try {
            when (event.kind) {
                Event.DONE, Event.FAILED -> complete(event)
                else -> onEvent(event)
            }
        } catch (failure: Throwable) {
            // One bad event must not end the thread that serves all others.
            Log.say { Log.events.error("event of kind {} was lost", event.kind, failure) }
        }
    }

    private fun complete(event: Event) {
        val entry = pending.remove(event.ticket) ?: return
        try {
            if (event.kind == Event.DONE) entry.hooks?.onDone?.invoke(event)
        } catch (failure: Throwable) {
            // Whoever waits for it must not wait for ever.
            entry.end(null)
            throw failure
        }
        entry.end(event)
    }

    private fun failPending() {
        for (ticket in pending.keys) pending.remove(ticket)?.end(null)
    }

    private companion object {
        const val BATCH_EVENTS = 256
    }
}
