package dev.hubless

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit

private interface Service {
    suspend fun depth(): Int

    fun blocking(): Int

    fun later(): CompletableFuture<Int>

    fun twice(): Int = 2 * blocking()

    companion object {
        @JvmStatic
        fun name(): String = "service"
    }
}

interface Open {
    fun blocking(): Int

    suspend fun thrice(): Int = 3 * blocking()
}

/** Interfaces in place of agents: every form of a function is a call like any other. */
class ProxyTest {
    private suspend fun Node.depths() = register(object {
        @Skill
        fun depth(call: CallContext): Int = call.depth

        @Skill
        fun blocking(): Int = 4

        @Skill
        fun later(): CompletableFuture<Int> = CompletableFuture.completedFuture(5)
    }) { name = "service" }

    @Test
    fun `each form of a function asks the agent`() = withTwoNodes { there, here ->
        there.depths()
        val service = here.peer("service").proxy(Service::class)
        assertEquals(0, service.depth())
        withContext(Dispatchers.IO) {
            assertEquals(4, service.blocking())
            assertEquals(5, service.later().get(5, TimeUnit.SECONDS))
        }
    }

    @Test
    fun `a function with a body is the interface's own`() = withNode {
        depths()
        val (own, open) = proxy(Service::class, Service.name()) to proxy(Open::class, "service")
        withContext(Dispatchers.IO) { assertEquals(8 to 12, own.twice() to open.thrice()) }
    }

    @Test
    fun `a suspending function inside a handler is a child of its call`() = withNode {
        depths()
        val service = proxy(Service::class, "service")
        agent<String, Int>("outer") { service.depth() }
        assertEquals(1, request<Int>("outer", "x"))
    }

    @Test
    fun `each form fails with the error itself`() = withNode {
        val service = proxy(Service::class, "nobody") { wait = kotlin.time.Duration.ZERO }
        failure(ErrorKind.NOT_FOUND) { service.depth() }
        withContext(Dispatchers.IO) {
            failure(ErrorKind.NOT_FOUND) { service.blocking() }
            val thrown = assertThrows(ExecutionException::class.java) {
                service.later().get(5, TimeUnit.SECONDS)
            }
            val cause = assertInstanceOf(HublessException::class.java, thrown.cause)
            assertEquals(ErrorKind.NOT_FOUND, cause.kind)
        }
    }

    @Test
    fun `a future that is cancelled cancels the handler`() = withTwoNodes { there, here ->
        val (started, stopped) = CompletableDeferred<Unit>() to CompletableDeferred<Unit>()
        there.agent<String, Int>("service") {
            started.complete(Unit)
            try {
                awaitCancellation()
            } finally {
                stopped.complete(Unit)
            }
        }
        val asking = here.proxy(Service::class, "service") { skill = null }.later()
        started.await()
        asking.cancel(true)
        stopped.await()
    }

    @Test
    fun `what is no interface is no proxy`() = withNode {
        val refused = assertThrows(HublessException::class.java) { proxy(String::class, "echo") }
        assertEquals(ErrorKind.INVALID_ARGUMENT to "type", refused.kind to refused.field)
    }
}
