package dev.hubless.boundary

import dev.hubless.AgentHandler
import dev.hubless.Content
import dev.hubless.Hubless
import dev.hubless.Node
import dev.hubless.RegisteredAgent
import dev.hubless.agent
import dev.hubless.register
import dev.hubless.request
import dev.hubless.serve
import dev.hubless.streamingAgent
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.ExecutorCoroutineDispatcher
import kotlinx.coroutines.Job
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.Serializable
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger
import kotlin.concurrent.thread
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

private const val NODES = 3
private const val BLOCK_BYTES = 1 shl 20

/** The exit status that the caller looks for. */
private const val AT_ONCE = 7

/** How long handles may take to be released after the close of their node. */
private val RELEASE = 15.seconds

@Serializable
private data class Stats(val handles: Int, val ended: Int)

/** A second event loop: a scope on a thread of its own, with a node. */
private class Beside : AutoCloseable {
    private val dispatcher: ExecutorCoroutineDispatcher =
        Executors.newSingleThreadExecutor { Thread(it, "beside").apply { isDaemon = true } }
            .asCoroutineDispatcher()
    private val own = CoroutineScope(dispatcher + Job())

    suspend fun begin() {
        val node = Node.start {
            scope = own
            grace = GRACE
        }
        node.agent<Content, String>("kotlin.beside") { awaitCancellation() }
    }

    /** Ends the loop with the node open and its calls pending. */
    override fun close() {
        own.cancel()
        dispatcher.close()
    }
}

/** The subject of `tests/boundary/BOUNDARY.md` in Kotlin. */
private class Subject(private val node: Node) {
    private val ended = AtomicInteger()
    private var leaver: RegisteredAgent? = null
    private var beside: Beside? = null

    suspend fun register() {
        registerFaults()
        registerLoops()
        registerEnds()
        node.agent<Int, Int>("kotlin.steady") { it + 1 }
        node.agent<String, String>("kotlin.relay") { node.request<String>("hold", it) }
        node.agent<Content, Stats>("kotlin.stats") { Stats(Hubless.handles(), ended.get()) }
    }

    private suspend fun registerFaults() {
        node.agent<Content, String>("kotlin.raises") { error("broken") }
        // No answer can carry it.
        node.register("kotlin.wrong", AgentHandler { Any() })
        node.agent<Boolean, String>(
            "kotlin.never",
            configure = {
                requirements {
                    maxConcurrency = 1
                    queue = 0
                }
            },
        ) { forEver -> if (forEver) awaitCancellation() else "place is free" }
        node.streamingAgent<Content, String>("kotlin.chunks") {
            flow {
                try {
                    while (true) emit("x")
                } finally {
                    ended.incrementAndGet()
                }
            }
        }
    }

    private suspend fun registerLoops() {
        leaver = node.agent<Content, String>("kotlin.leaves") {
            // Besides the call: the grace would wait for the call that waits for it.
            CoroutineScope(Job()).launch { leaver?.unregister() }
            "last words"
        }
        node.agent<Content, Int>("kotlin.nests") {
            repeat(NODES) {
                val other = Node.start()
                other.status()
                other.close(GRACE)
            }
            NODES
        }
        node.agent<Content, String>("kotlin.loops") {
            beside = Beside().apply { begin() }
            "begun"
        }
        node.agent<Content, String>("kotlin.unloop") {
            beside?.close()
            "ended"
        }
    }

    private suspend fun registerEnds() {
        node.agent<Content, Int>("kotlin.memory") {
            generateSequence { ByteArray(BLOCK_BYTES) }.toList().size
        }
        node.agent<String, String>("kotlin.exits") { how ->
            if (how == "now") Runtime.getRuntime().halt(AT_ONCE)
            thread { exitProcess(0) }
            awaitCancellation()
        }
    }
}

private val GRACE = 300.milliseconds

/** Serves until its input ends, then says which handles are left. */
fun main(): Unit = runBlocking {
    val node = Node.start { grace = GRACE }
    Subject(node).register()
    println("ready ${node.nodeKey}")
    node.serve()
    node.close(GRACE)
    val closed = TimeSource.Monotonic.markNow()
    while (Hubless.handles() > 0 && closed.elapsedNow() < RELEASE) delay(10.milliseconds)
    println("handles ${Hubless.handles()}")
}
