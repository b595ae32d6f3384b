package dev.hubless.internal

import dev.hubless.ErrorDetails
import dev.hubless.ErrorKind
import dev.hubless.HublessException
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.serialization.json.put
import java.io.ByteArrayOutputStream
import java.util.concurrent.atomic.AtomicBoolean

/** Where the bytes of a streamed part come from. */
internal interface PartReader {
    suspend fun bytes(): ByteArray

    fun reader(): Flow<ByteArray>

    companion object {
        /** Bytes made by this program. */
        fun of(source: Flow<ByteArray>): PartReader = object : PartReader {
            override suspend fun bytes(): ByteArray {
                val all = ByteArrayOutputStream()
                source.collect(all::writeBytes)
                return all.toByteArray()
            }

            override fun reader(): Flow<ByteArray> = source
        }
    }
}

/**
 * A streamed part that arrives; its body is given back when it was read, or when nobody can read it
 * any more.
 */
internal class ArrivingBody(private val session: Session, private val body: Long) : PartReader {
    private val taken = AtomicBoolean()
    private val cleaning = Handles.onGone(this, Drop(session, body))

    private class Drop(private val session: Session, private val body: Long) : Runnable {
        override fun run() {
            if (!session.isClosed) session.post("body.drop", obj { put("body", body) })
        }
    }

    override suspend fun bytes(): ByteArray {
        take()
        try {
            return session.call("body.gather", obj { put("body", body) }).attachments.first()
        } finally {
            cleaning.clean()
        }
    }

    override fun reader(): Flow<ByteArray> = flow {
        take()
        try {
            while (true) {
                val event = session.call("body.read", obj { put("body", body) })
                if (event.body.flag("end")) break
                emit(event.attachments.first())
            }
        } finally {
            cleaning.clean()
        }
    }

    private fun take() {
        if (!taken.compareAndSet(false, true)) {
            throw invalidArgument("part", "a streamed part can be read once, and was read before")
        }
    }
}

/** A streamed part that leaves: the core's body and the flow that fills it. */
internal class LeavingBody(
    private val session: Session,
    private val body: Long,
    private val source: Flow<ByteArray>,
) {
    /** Writes everything; a failure of the source fails the body and is then thrown on. */
    suspend fun pump() {
        var ended = false
        try {
            source.collect { bytes ->
                var from = 0
                while (from < bytes.size) {
                    val piece = bytes.copyOfRange(from, minOf(from + WRITE_BYTES, bytes.size))
                    session.call("body.write", write, listOf(piece))
                    from += piece.size
                }
            }
            session.call("body.end", obj { put("body", body) })
            ended = true
        } catch (stopped: CancellationException) {
            throw stopped
        } catch (failure: Exception) {
            session.post(
                "body.fail",
                obj {
                    put("body", body)
                    put("message", failure.message ?: failure.javaClass.name)
                },
            )
            ended = true
            throw failure
        } finally {
            if (!ended) giveUp()
        }
    }

    /** Lets go of it; one that is over already is none any more. */
    fun giveUp() {
        session.post("body.drop", obj { put("body", body) })
    }

    private val write = obj {
        put("body", body)
        put("attachment", 0)
    }

    private companion object {
        /** Bytes of one write; a piece of the user's may be of any size. */
        const val WRITE_BYTES = 256 * 1024
    }
}

/** The failure of a part that arrived without its bytes. */
internal fun missingAttachment(): HublessException = HublessException(
    ErrorDetails(ErrorKind.INTERNAL, "a blob arrived without its bytes"),
)
