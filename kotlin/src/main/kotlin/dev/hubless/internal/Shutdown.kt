package dev.hubless.internal

import dev.hubless.Node
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import java.util.concurrent.ConcurrentHashMap

/** Closes open nodes gracefully when the JVM ends, by itself or by SIGTERM. */
internal object Shutdown {
    private val open = ConcurrentHashMap.newKeySet<Node>()

    init {
        Runtime.getRuntime().addShutdownHook(Thread(::closeAll, "hubless-shutdown"))
    }

    fun remember(node: Node) {
        open.add(node)
    }

    fun forget(node: Node) {
        open.remove(node)
    }

    private fun closeAll() = runBlocking {
        open.map { node -> launch { node.closeInGrace() } }.joinAll()
    }
}
