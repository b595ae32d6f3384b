package dev.hubless.process

import dev.hubless.Hubless
import dev.hubless.Node
import dev.hubless.agent
import dev.hubless.request
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
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
