import dev.hubless.agent
import dev.hubless.hubless
import dev.hubless.serve
import kotlinx.serialization.Serializable

@Serializable
data class Greeting(val name: String)

suspend fun main() = hubless {
    agent<Greeting, String>("greet") { "hello ${it.name}" }
    serve()
}
