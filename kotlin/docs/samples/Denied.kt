import dev.hubless.Node
import dev.hubless.Rejected
import dev.hubless.agent
import dev.hubless.hubless
import dev.hubless.request

private suspend fun Node.shown(name: String, to: String, answer: String) {
    agent<String, String>(name, configure = {
        requirements { allowedCallers { principals = listOf(to) } }
    }) { answer }
}

suspend fun main() = hubless {
    shown("ledger", to = "http:token:alice", answer = "every booking")
    shown("noticeboard", to = "*", answer = "every notice")
    try {
        request<String>("ledger", "?")
    } catch (refused: Rejected) {
        println("${refused.kind.wire}/${refused.code}: ${refused.message}")
    }
    println(request<String>("noticeboard", "?"))
}
