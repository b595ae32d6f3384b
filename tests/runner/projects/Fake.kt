import dev.hubless.request
import dev.hubless.testing.testMesh

/** A whole program in Kotlin: a mesh for one test, and a fake peer that is asked in it. */
public suspend fun main() {
    testMesh {
        fake("weather") { otherwise { answer(7) } }
        println("the fake said ${node.request<Int>("weather", "Oslo")}")
    }
}
