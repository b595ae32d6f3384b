import dev.hubless.hubless
import dev.hubless.peer

suspend fun main(args: Array<String>) = hubless {
    val greet = peer("greet")
    println(greet.request<String>(mapOf("name" to (args.firstOrNull() ?: "world"))))
}
