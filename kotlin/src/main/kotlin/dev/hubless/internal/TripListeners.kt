package dev.hubless.internal

import dev.hubless.HublessException
import dev.hubless.Tripped
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.launch
import kotlinx.serialization.json.put
import java.lang.ref.WeakReference
import java.util.concurrent.atomic.AtomicBoolean
import java.util.function.Consumer
import kotlin.concurrent.thread

/** Who is to hear of the stop of one switch; each hears of it once, on a thread of its own. */
internal class TripListeners {
    private val waiting = ArrayList<Consumer<Tripped>>()
    private val watched = AtomicBoolean()

    fun add(listener: Consumer<Tripped>) {
        synchronized(waiting) { waiting.add(listener) }
    }

    /** Tells all that wait. */
    fun stopped(stop: Tripped) {
        val told = synchronized(waiting) { waiting.toList().also { waiting.clear() } }
        for (listener in told) {
            thread(isDaemon = true, name = "hubless-tripped") {
                try {
                    listener.accept(stop)
                } catch (failure: Throwable) {
                    Log.handlers.warn("a listener of a kill switch failed", failure)
                }
            }
        }
    }

    /**
     * Begins to wait for the stop, in a session that ends with the switch. What waits holds
     * nothing that leads to the switch, which could else never be let go of.
     */
    fun watch(switch: Long) {
        if (!watched.compareAndSet(false, true)) return
        val listeners = WeakReference(this)
        CoroutineScope(Dispatchers.Default).launch(start = CoroutineStart.UNDISPATCHED) {
            val session = Session(this) { }
            session.start()
            try {
                val event = session.call("switch.wait", obj { put("switch", switch) })
                event.body.child("stop")?.let { listeners.get()?.stopped(trippedOf(it)) }
            } catch (gone: HublessException) {
                Log.events.debug("a kill switch is watched no longer", gone)
            } finally {
                session.close()
            }
        }
    }
}
