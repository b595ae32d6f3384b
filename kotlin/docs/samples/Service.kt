import dev.hubless.agent
import dev.hubless.hubless
import kotlinx.coroutines.awaitCancellation
import kotlinx.serialization.Serializable

@Serializable
private data class Person(val name: String)

suspend fun main(): Unit = hubless {
    agent<Person, String>("greet") { "hello ${it.name}" }
    awaitCancellation()
}
