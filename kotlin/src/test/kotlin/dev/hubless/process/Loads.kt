package dev.hubless.process

import dev.hubless.HublessException
import dev.hubless.Node
import dev.hubless.RequestOptions
import dev.hubless.agent
import dev.hubless.hubless
import dev.hubless.request
import dev.hubless.serve
import dev.hubless.stream
import dev.hubless.streamingAgent
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.JsonElement
import java.util.concurrent.Executors
import kotlin.time.Duration.Companion.seconds

/** Says which threads a node in use brings along, and which are left after it. */
object Threads {
    @JvmStatic
    fun main(args: Array<String>): Unit = runBlocking {
        val before = Thread.getAllStackTraces().keys
        fun brought() = (Thread.getAllStackTraces().keys - before).sortedBy { it.name }
        hubless {
            use()
            println(brought().map { it.name })
            println(brought().all { it.isDaemon })
        }
        brought().forEach { it.join(JOIN_MILLIS) }
        println(brought().map { it.name })
        withContext(Dispatchers.Default) { }
        println(brought().any { "DefaultDispatcher" in it.name })
    }

    private suspend fun Node.use() {
        agent<String, String>("echo") { request("tool-user", it) { offer() } }
        agent<String, String>("tool-user") { callTool<String>("tool") + it }
        streamingAgent<String, String>("words") { it.split(' ').asFlow() }
        check(request<String>("echo", "x") == "tx")
        stream<String>("words", "one two").collect { check(it.isNotEmpty()) }
    }

    private fun RequestOptions.offer() = tool<JsonElement, String>("tool") { "t" }

    private const val JOIN_MILLIS = 5_000L
}

/**
 * Has an agent that holds a thread of two for as long as no connection would be silent, and another
 * one beside it.
 */
object Holding {
    @JvmStatic
    fun main(args: Array<String>): Unit = runBlocking {
        val threads = Executors.newFixedThreadPool(2) { Thread(it).apply { isDaemon = true } }
        val node = Node.start { scope = CoroutineScope(threads.asCoroutineDispatcher() + Job()) }
        node.agent<String, String>("holding") {
            println("held")
            Thread.sleep(HELD_MILLIS)
            "let go"
        }
        node.agent<String, String>("beside") { it }
        println("ready")
        node.serve()
        node.close()
    }

    /** Longer than the silence after which a connection is given up. */
    private const val HELD_MILLIS = 9_000L
}

/** Asks with a text that is larger than any request, and with a small one. */
object Huge {
    @JvmStatic
    fun main(args: Array<String>): Unit = runBlocking {
        hubless {
            agent<String, Int>("size") { it.length }
            val text = "x".repeat(args[0].toInt())
            try {
                println(request<Int>("size", text))
            } catch (failure: HublessException) {
                println("${failure.kind.wire} ${failure.limit?.name} ${failure.limit?.value}")
            }
            println(request<Int>("size", "small"))
        }
    }
}

/** Asks for more than its memory holds, and then once more. */
object Flooded {
    @JvmStatic
    fun main(args: Array<String>): Unit = runBlocking {
        val node = Node.start()
        println(node.request<String>("large", 5) { wait = 20.seconds }.length)
        repeat(2) {
            val failed = runCatching {
                withTimeout(15.seconds) { node.request<String>("large", args[0].toInt()) }
            }
            val why = failed.exceptionOrNull()
            println(if (why is HublessException) why.kind.wire else why?.javaClass?.simpleName)
        }
        node.close()
    }
}
