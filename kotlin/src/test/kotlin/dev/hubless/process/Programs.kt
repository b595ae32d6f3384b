package dev.hubless.process

import dev.hubless.Content
import dev.hubless.Hubless
import dev.hubless.KillSwitch
import dev.hubless.Node
import dev.hubless.Part
import dev.hubless.agent
import dev.hubless.internal.Native
import dev.hubless.request
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.milliseconds

/** Ends with an idle node open. */
object Idle {
    @JvmStatic
    fun main(args: Array<String>): Unit = runBlocking {
        Hubless.node().agent<String, String>("idle") { it }
        println("ready")
    }
}

/** Ends with a request pending that is never answered. */
object Pending {
    @OptIn(DelicateCoroutinesApi::class)
    @JvmStatic
    fun main(args: Array<String>): Unit = runBlocking {
        val node = Node.start { grace = 300.milliseconds }
        node.agent<String, String>("never") { awaitCancellation() }
        GlobalScope.launch { node.request<String>("never", "?") }
        while (node.status().calls == 0) delay(5)
        println("ready")
    }
}

/** Ends with listeners of two switches, one of them used, that are never called. */
object Watching {
    @JvmStatic
    fun main(args: Array<String>): Unit = runBlocking {
        val switches = List(2) { KillSwitch(calls = 5).apply { onTripped { println("stopped") } } }
        val node = Hubless.node()
        node.agent<String, String>("idle") { it }
        node.request<String>("idle", "?") { killSwitch = switches.first() }
        println("ready")
    }
}

/**
 * Has an agent called, which is three events a call: the call, the end of its answer, the reply.
 * Then many blobs cross at once. Or it leaks.
 */
object Crossings {
    private const val CALLS = 35_000
    private const val AT_ONCE = 50
    private const val BLOBS = 500

    @JvmStatic
    fun main(args: Array<String>): Unit = runBlocking {
        if ("leak" in args) return@runBlocking Native.leakReferences(BLOBS)
        val node = Hubless.node()
        val handled = AtomicInteger()
        node.agent<Int, Int>("next") { it + handled.incrementAndGet().coerceAtMost(1) }
        coroutineScope {
            repeat(AT_ONCE) {
                launch {
                    repeat(CALLS / AT_ONCE) { check(node.request<Int>("next", it) == it + 1) }
                }
            }
        }
        node.agent<Content, Int>("blobs") { it.binaries.size }
        val blobs = Content(List(BLOBS) { Part.Blob("image/png", ByteArray(8)) })
        check(node.request<Int>("blobs", blobs) == BLOBS)
        node.close()
        println("handled ${handled.get()}, handles ${Hubless.handles()}")
    }
}

/** Has a handler fail. */
object Failing {
    @JvmStatic
    fun main(args: Array<String>): Unit = runBlocking {
        val node = Hubless.node()
        node.agent<String, String>("failing") { error("broken on purpose") }
        runCatching { node.request<String>("failing", "a payload") }
        node.close()
    }
}

/** Serves a call that takes 500 ms until it is stopped from outside. */
object Draining {
    @JvmStatic
    fun main(args: Array<String>): Unit = runBlocking {
        val node = Hubless.node()
        node.agent<String, String>("draining") {
            println("running")
            delay(500.milliseconds)
            "done"
        }
        println("ready")
        awaitCancellation()
    }
}
