package dev.hubless.bench

import dev.hubless.Node
import dev.hubless.ask
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.future.future
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put
import java.util.concurrent.Callable
import java.util.concurrent.CompletableFuture
import java.util.function.Function

/** A caller that the peers' own code measures, which is in the class path and no part of this. */
fun main() {
    val types = arrayOf(String::class.java, Callable::class.java)
    val client = Class.forName("peers.Common").getDeclaredMethod("client", *types)
    client.isAccessible = true
    client.invoke(null, "hubless", Callable(::connect))
}

/**
 * Gives what the peers give: a function of a body, on a node of its own. Their throughput counts
 * calls that failed as well, so the first of those ends the process, and there is no result.
 */
private fun connect(): Function<String, CompletableFuture<String>> {
    val node = runBlocking { Node.start() }
    val scope = CoroutineScope(Dispatchers.Default)
    return Function { body ->
        scope.future { node.echoed(body) }.whenComplete { _, fault ->
            if (fault != null) {
                fault.printStackTrace()
                Runtime.getRuntime().halt(1)
            }
        }
    }
}

/** What comes back for a body: one that is as long. */
private suspend fun Node.echoed(body: String): String {
    val reply = ask("bench", buildJsonObject { put("body", body) })
    val echoed = reply.value?.jsonObject?.get("body")?.jsonPrimitive?.content.orEmpty()
    check(echoed.length == body.length) { "the answer is not what was asked" }
    return echoed
}
