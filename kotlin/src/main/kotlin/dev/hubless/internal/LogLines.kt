package dev.hubless.internal

/**
 * Lines on their way to the host's logging, in order and one at a time: its appenders are the
 * user's code, and may block, or wait for what the pull thread brings.
 *
 * Of a logging that is behind [most] lines wait; those that come meanwhile are lost, and [lost] is
 * told how many. [later] runs what it is given on another thread.
 */
internal class LogLines(
    private val most: Int,
    private val later: (Runnable) -> Unit,
    private val lost: (Int) -> Unit,
) {
    private val waiting = ArrayDeque<Runnable>()
    private var dropped = 0
    private var writing = false

    /** Has a line written; never blocks. */
    fun add(line: Runnable) {
        synchronized(waiting) {
            if (waiting.size < most) waiting.addLast(line) else dropped += 1
            if (writing) return
            writing = true
        }
        later(Runnable { write() })
    }

    private fun write() {
        while (true) {
            val line = next() ?: return
            try {
                line.run()
            } catch (_: Throwable) {
                // A logging that fails keeps no other line back, and there is no place to say so.
            }
        }
    }

    private fun next(): Runnable? = synchronized(waiting) {
        val next = waiting.removeFirstOrNull() ?: missing()
        writing = next != null
        next
    }

    private fun missing(): Runnable? {
        val count = dropped
        dropped = 0
        return if (count == 0) null else Runnable { lost(count) }
    }
}
