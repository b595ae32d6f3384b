package dev.hubless

import dev.hubless.internal.Session
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.fail
import java.nio.file.Files
import java.nio.file.Path
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** A data folder of this run of the tests, so that they never meet the user's own mesh. */
internal val testHome: Path = Files.createTempDirectory("hubless-test").also {
    Runtime.getRuntime().addShutdownHook(Thread { it.toFile().deleteRecursively() })
}

/** Runs a test in a node of its own; afterwards nothing native may be left. */
internal fun withNode(
    configure: NodeOptions.() -> Unit = {},
    test: suspend Node.(CoroutineScope) -> Unit,
) {
    val before = Hubless.handles()
    runBlocking {
        withTimeout(120.seconds) {
            val scope = this
            hubless({
                home = testHome
                configure()
            }) { test(scope) }
        }
    }
    assertNoneLeft(before)
}

/** Runs a test in a session without a node, of a library that has the operations `bridge.*`. */
internal fun withBridge(test: suspend CoroutineScope.(bridge: Session) -> Unit) {
    val before = Hubless.handles()
    runBlocking {
        withTimeout(120.seconds) {
            val bridge = Session(this) {}
            bridge.start()
            try {
                test(bridge)
            } finally {
                bridge.close()
            }
        }
    }
    assertNoneLeft(before)
}

/** Runs a test with two nodes that reach each other over the network; agents stand in the first. */
internal fun withTwoNodes(test: suspend (there: Node, here: Node) -> Unit) = withNode {
    val there = this
    hubless({ home = testHome }) { test(there, this) }
}

/** The failure of [block], which must fail with [kind]. */
internal suspend fun failure(kind: ErrorKind, block: suspend () -> Any?): HublessException {
    val error = try {
        fail<Nothing>("expected ${kind.wire}, got ${block()}")
    } catch (error: HublessException) {
        error
    }
    assertEquals(kind, error.kind, error.toString())
    return error
}

/** Waits until [condition] holds, for at most 20 s: a busy machine may stand still for seconds. */
internal suspend fun eventually(what: String, condition: suspend () -> Boolean) {
    repeat(2_000) {
        if (condition()) return
        delay(10.milliseconds)
    }
    fail<Unit>("not within 20 s: $what")
}

internal fun assertNoneLeft(before: Int) = runBlocking {
    eventually("live handles back to $before") {
        Hubless.handles() <= before
    }
}
