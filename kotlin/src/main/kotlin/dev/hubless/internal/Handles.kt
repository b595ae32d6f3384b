package dev.hubless.internal

import kotlinx.serialization.json.put
import java.lang.ref.Cleaner

/** Gives handles of the core back when nobody can use them any more. */
internal object Handles {
    private val cleaner = Cleaner.create()

    /** Runs [drop] once: when it is told to, or when [owner] is gone. */
    fun onGone(owner: Any, drop: Runnable): Cleaner.Cleanable = cleaner.register(owner, drop)

    /** Lets a handle of the process go with its [owner]. */
    fun letGo(owner: Any, kind: String, handle: Long): Cleaner.Cleanable =
        onGone(owner, Drop(kind, handle))

    /** Knows the handle and not its owner, which it would keep alive. */
    private class Drop(private val kind: String, private val handle: Long) : Runnable {
        override fun run() {
            ask("$kind.drop", obj { put(kind, handle) })
        }
    }
}
