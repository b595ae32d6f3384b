import dev.hubless.Effect
import dev.hubless.ErrorKind
import dev.hubless.Rejected
import dev.hubless.Retry
import dev.hubless.RetryPolicy
import dev.hubless.agent
import dev.hubless.hubless
import dev.hubless.request
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope

suspend fun main() = hubless {
    val begun = CompletableDeferred<Unit>()
    val over = CompletableDeferred<Unit>()
    agent<String, String>("draw", configure = {
        requirements {
            maxConcurrency = 1
            queue = 0
        }
    }) {
        begun.complete(Unit)
        over.await()
        "drawn"
    }
    coroutineScope {
        val first = async { request<String>("draw", "a line") }
        begun.await()
        try {
            request<String>("draw", "a line")
        } catch (refused: Rejected) {
            println("${refused.kind.wire}/${refused.code}: ${refused.message}")
            println("again after some time: ${if (refused.retry == Retry.Never) "no" else "yes"}")
        }
        over.complete(Unit)
        first.await()
    }
    val drawn = request<String>("draw", "a line") {
        effect = Effect.PURE
        retry = RetryPolicy(3, setOf(ErrorKind.BUSY))
    }
    println(drawn)
}
