package dev.hubless.internal

import kotlinx.serialization.json.JsonObject
import java.nio.ByteBuffer

/** One entry of the completion queue, as it came. */
internal class Event(
    val kind: Int,
    val ticket: Long,
    private val bytes: ByteArray,
    val attachments: List<ByteArray>,
) {
    /** The JSON body, parsed by whoever asks first. */
    val body: JsonObject by lazy(LazyThreadSafetyMode.PUBLICATION) { parseObject(bytes) }

    companion object {
        const val DONE = 1
        const val FAILED = 2
        const val CALL = 3
        const val CANCEL = 4
        const val TOOL = 5
        const val AUTH = 6
        const val COUNT = 7
        const val CREDENTIAL = 8
        const val INPUT = 9
        const val LOG = 10

        /** Takes one batch of the native library apart. */
        fun batch(bytes: ByteArray): List<Event> {
            val buffer = ByteBuffer.wrap(bytes)
            val events = ArrayList<Event>()
            while (buffer.hasRemaining()) {
                val kind = buffer.get().toInt()
                val ticket = buffer.getLong()
                val body = buffer.take()
                val attachments = List(buffer.getInt()) { buffer.take() }
                events.add(Event(kind, ticket, body, attachments))
            }
            return events
        }

        private fun ByteBuffer.take(): ByteArray = ByteArray(getInt()).also(::get)
    }
}
