import dev.hubless.Credential
import dev.hubless.Node
import dev.hubless.Rejected
import dev.hubless.agent
import dev.hubless.hubless
import dev.hubless.request

private suspend fun Node.refusal(text: String, key: Credential? = null): String = try {
    request<String>("vault", text) { auth = key }
} catch (refused: Rejected) {
    refused.kind.wire
}

suspend fun main() = hubless {
    agent<String, String>("vault", configure = {
        requirements {
            sharedSecret("letmein")
            maxTokens = 20
        }
    }) { "kept $it" }
    val key = Credential("shared_secret", "letmein")
    println("with the secret: " + refusal("gold", key))
    println("without it: " + refusal("gold"))
    println("too long: " + refusal("gold ".repeat(50), key))
}
