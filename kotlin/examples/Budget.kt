import dev.hubless.KillSwitch
import dev.hubless.hubless
import dev.hubless.request
import kotlinx.coroutines.withContext

suspend fun main() = hubless {
    KillSwitch(outputTokens = 20_000, calls = 50).use { switch ->
        val answer = withContext(switch) { request<String>("greet", mapOf("name" to "Ada")) }
        println("$answer, after ${switch.spent.calls} of 50 calls")
    }
}
