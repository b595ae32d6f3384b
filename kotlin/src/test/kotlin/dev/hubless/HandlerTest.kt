package dev.hubless

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlinx.coroutines.yield
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger

@Serializable
private data class Basket(val items: List<String>)

@Agent(name = "shop", description = "sells things", tags = ["retail"])
private class Shop {
    @Skill(description = "prices an item", effect = Effect.PURE)
    suspend fun price(@Description("what") item: String, times: Int = 2): Int = item.length * times

    @Skill
    fun total(basket: Basket): Int = basket.items.size

    @Skill("list-all")
    fun list(prefix: String?): Flow<String> = flow {
        emit("${prefix ?: "none"}-1")
        emit("${prefix ?: "none"}-2")
    }

    @Skill
    fun who(call: CallContext): String = call.caller.kind.name

    fun hidden(): String = "never"
}

private interface ShopService {
    suspend fun price(item: String, times: Int): Int

    fun total(basket: Basket): Int

    @Skill("list-all")
    fun list(prefix: String?): Flow<String>
}

private class Counting : AutoCloseable {
    private val count = AtomicInteger()

    @Skill
    suspend fun next(): Int = count.incrementAndGet()

    override fun close() {
        closed.incrementAndGet()
    }

    companion object {
        val closed = AtomicInteger()
    }
}

private data class Copied(val start: Int = 5) {
    private var value = start

    @Skill
    fun next(): Int = ++value
}

class HandlerTest {
    @Test
    fun `an object's marked functions are skills with schemas from their types`() = withNode {
        register(Shop())
        val skills = describe("shop").skills.associateBy { (it["id"] as JsonPrimitive).content }
        assertEquals(setOf("price", "total", "list-all", "who"), skills.keys)
        val price = skills.getValue("price")["inputSchema"] as JsonObject
        assertEquals("""["item"]""", price["required"].toString())
        assertEquals(6, request<Int>("shop", mapOf("item" to "abc")) { skill = "price" })
        assertEquals(
            9,
            request<Int>("shop", mapOf("item" to "abc", "times" to 3)) {
                skill = "price"
            },
        )
        assertEquals(2, request<Int>("shop", Basket(listOf("a", "b"))) { skill = "total" })
        assertEquals("LOCAL", request<String>("shop") { skill = "who" })
        failure(ErrorKind.NOT_FOUND) { request<String>("shop") { skill = "hidden" } }
    }

    @Test
    fun `an agent looks like an interface of one's own`() = withTwoNodes { there, here ->
        there.register(Shop())
        val shop = here.proxy(ShopService::class, "shop")
        assertEquals(12, shop.price("abcd", 3))
        assertEquals(1, withContext(Dispatchers.IO) { shop.total(Basket(listOf("a"))) })
        assertEquals(listOf("x-1", "x-2"), shop.list("x").toList())
        assertEquals(listOf("none-1", "none-2"), shop.list(null).toList())
        assertEquals("ShopService(shop)", shop.toString())
        assertTrue(shop.equals(shop))
        assertFalse(shop == here.proxy(ShopService::class, "shop"))
    }

    @Test
    fun `isolated agents get a new instance for each call, closed at its end`() = withNode {
        val before = Counting.closed.get()
        register(Counting::class) { name = "by-class" }
        registerFactory({ name = "by-factory" }) { Counting() }
        register(Copied()) {
            name = "by-copy"
            concurrency = Concurrency.ISOLATED
        }
        register(Copied()) { name = "shared" }
        repeat(3) {
            assertEquals(1, request<Int>("by-class"))
            assertEquals(1, request<Int>("by-factory"))
            assertEquals(6, request<Int>("by-copy"))
        }
        assertEquals(6, Counting.closed.get() - before)
        assertEquals(listOf(6, 7), List(2) { request<Int>("shared") })
    }

    @Test
    fun `an agent registered inside an isolated call goes with it`() = withNode {
        registerFactory("parent") {
            AgentHandler { call ->
                call.node.agent<String, String>("child") { "here" }
                call.node.request<String>("child", "?")
            }
        }
        repeat(2) { assertEquals("here", request<String>("parent", "?")) }
        eventually("the child is gone") {
            runCatching { request<String>("child", "?") { wait = kotlin.time.Duration.ZERO } }
                .exceptionOrNull() is HublessException
        }
    }

    @Test
    fun `names are taken once and free again`() = withNode {
        val first = agent<String, String>("name") { "1" }
        val error = failure(ErrorKind.CONFLICT) { agent<String, String>("name") { "2" } }
        assertEquals("name_taken", error.code)
        first.unregister()
        agent<String, String>("name") { "3" }
        assertEquals("3", request<String>("name", "?"))
    }

    @Test
    fun `a call that runs when its agent is unregistered finishes`() = withNode { scope ->
        val (started, go) = CompletableDeferred<Unit>() to CompletableDeferred<Unit>()
        val leaving = agent<String, String>("leaving") {
            if (started.complete(Unit)) go.await()
            "finished"
        }
        val running = scope.async { request<String>("leaving", "?") }
        started.await()
        val gone = scope.async { leaving.unregister() }
        eventually("new calls are refused") {
            val refused = runCatching {
                request<String>("leaving", "?") { wait = kotlin.time.Duration.ZERO }
            }.exceptionOrNull()
            (refused as? HublessException)?.kind == ErrorKind.NOT_FOUND
        }
        assertTrue(running.isActive && gone.isActive)
        go.complete(Unit)
        assertEquals("finished", running.await())
        gone.await()
    }

    @Test
    fun `handlers run on the dispatcher of the scope given`() {
        val executor = Executors.newSingleThreadExecutor { Thread(it, "my-own-thread") }
        val own = CoroutineScope(executor.asCoroutineDispatcher() + Job())
        try {
            withNode({ scope = own }) {
                agent<String, String>("where") { Thread.currentThread().name.substringBefore(' ') }
                assertEquals("my-own-thread", request<String>("where", "?"))
            }
        } finally {
            executor.shutdown()
        }
    }

    @Test
    fun `nothing of the user's runs on the event thread`() = withNode({ scope = null }) {
        val unconfined = CoroutineScope(Dispatchers.Unconfined + Job())
        hubless({
            home = testHome
            scope = unconfined
        }) {
            val seen = CompletableDeferred<String>()
            agent<String, String>("where") { Thread.currentThread().name }
            agent<String, String>("tool-user") { callTool<String>("where") }
            assertFalse("hubless" in request<String>("where", "?"))
            unconfined.launch {
                request<String>("tool-user", "?") {
                    tool<JsonElement, String>("where") { Thread.currentThread().name }
                }.let { assertFalse("hubless" in it, it) }
                seen.complete(Thread.currentThread().name)
            }
            assertFalse("hubless" in seen.await())
            assertTrue(Thread.getAllStackTraces().keys.any { "hubless-events" == it.name })
        }
    }

    @Test
    fun `a handler that blocks its threads stops nothing else`() {
        val executor = Executors.newSingleThreadExecutor()
        val own = CoroutineScope(executor.asCoroutineDispatcher() + Job())
        val (entered, release) = CountDownLatch(1) to CountDownLatch(1)
        try {
            withNode { scope ->
                val blocked = Node.start {
                    home = testHome
                    this.scope = own
                }
                blocked.agent<String, String>("blocking") {
                    entered.countDown()
                    release.await()
                    "released"
                }
                val answer = scope.async(Dispatchers.Default) { request<String>("blocking", "?") }
                withContext(Dispatchers.IO) { entered.await() }
                assertEquals(1, blocked.status().calls)
                assertEquals("blocking", peer { where(Filter.field("name") eq "blocking") }.name)
                release.countDown()
                assertEquals("released", answer.await())
                blocked.close()
            }
        } finally {
            release.countDown()
            executor.shutdown()
        }
    }

    @Test
    fun `agents come and go on many threads while calls run`() = withNode { scope ->
        registerFactory("steady") { AgentHandler { "ok" } }
        val calls =
            List(200) { scope.async(Dispatchers.Default) { request<String>("steady", "?") } }
        val churn = List(16) { n ->
            scope.async(Dispatchers.Default) {
                repeat(10) { agent<String, String>("churn-$n") { "x" }.unregister() }
            }
        }
        churn.awaitAll()
        assertEquals(List(200) { "ok" }, calls.awaitAll())
        assertEquals(listOf("steady"), listAgents(Scope.LOCAL).map { it.name })
    }

    @Test
    fun `an agent whose registration was cancelled does not stay`() = withNode { scope ->
        val kept = ConcurrentHashMap.newKeySet<String>()
        repeat(50) { n ->
            val registering = scope.launch(Dispatchers.Default) {
                kept.add(agent<String, String>("agent-$n") { "x" }.name)
            }
            if (n % 2 == 0) yield()
            registering.cancel()
            registering.join()
        }
        eventually("only those that were handed out are left") {
            listAgents(Scope.LOCAL).map { it.name }.toSet() == kept
        }
    }

    @Test
    fun `what a cancelled coroutine had opened is let go of`() = withNode { scope ->
        val before = Hubless.handles()
        val open = scope.launch(Dispatchers.Default) { discover("nobody").collect() }
        eventually("an open stream is a handle") { Hubless.handles() > before }
        open.cancelAndJoin()
        for (dispatcher in listOf(Dispatchers.Default, Dispatchers.Unconfined)) {
            repeat(200) { n ->
                val opening = scope.launch(dispatcher) { discover("nobody").collect() }
                repeat(n % 20) { Thread.onSpinWait() }
                if (n % 3 == 0) yield()
                opening.cancelAndJoin()
            }
        }
        eventually("no stream is left") { Hubless.handles() == before }
    }

    @Test
    fun `the end of the user's scope closes the node`() = withNode {
        val own = CoroutineScope(Dispatchers.Default + Job())
        val node = Node.start {
            home = testHome
            scope = own
        }
        val running = CompletableDeferred<Unit>()
        node.agent<String, String>("slow") {
            running.complete(Unit)
            awaitCancellation()
        }
        coroutineScope {
            val asking = launch { runCatching { this@withNode.request<String>("slow", "?") } }
            running.await()
            own.coroutineContext[Job]?.cancel()
            asking.join()
        }
        eventually("the node is closed") { node.isClosed }
        failure(ErrorKind.CLOSED) { node.status() }
    }

    @Test
    fun `close fails what is pending and is idempotent`() = withNode {
        val node = Node.start { home = testHome }
        node.agent<String, String>("slow") { awaitCancellation() }
        coroutineScope {
            val asking = launch {
                val failed = runCatching { node.request<String>("slow", "?") }.exceptionOrNull()
                assertEquals(ErrorKind.CLOSED, (failed as? HublessException)?.kind, "$failed")
            }
            eventually("the call runs") { node.status().calls > 0 }
            node.close()
            asking.join()
        }
        node.close()
        failure(ErrorKind.CLOSED) { node.request<String>("slow", "?") }
    }
}
