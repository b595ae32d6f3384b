import dev.hubless.HublessException
import dev.hubless.agent
import dev.hubless.find
import dev.hubless.hubless
import dev.hubless.peer
import kotlin.time.Duration

suspend fun main() = hubless {
    println("${find("translates french", wait = Duration.ZERO).size} found")
    try {
        peer("translates french", wait = Duration.ZERO)
    } catch (error: HublessException) {
        println("${error.kind.wire}: ${error.message}")
    }
    agent<String, String>("translate", "Translates a text into French.") { "$it, en français" }
    println("${find("translates french").size} found")
}
