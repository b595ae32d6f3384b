package dev.hubless

import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.file.Files
import java.time.LocalDate
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

class DirectoryTest {
    private suspend fun Node.rates(name: String, from: Int, to: Int) =
        agent<String, String>(name, "historic FX rates", setOf("fx"), {
            skill {
                id = "rate"
                attribute("pair", listOf("EUR/USD"))
                attribute("period", Interval(LocalDate.of(from, 1, 1), LocalDate.of(to, 12, 31)))
                attribute("resolution_s", 60)
            }
        }) { name }

    @Test
    fun `finds by words, tags, skill and typed facts`() = withTwoNodes { there, here ->
        there.rates("old", 2001, 2010)
        there.rates("new", 2021, 2024)
        val period = Interval(LocalDate.of(2021, 3, 1), LocalDate.of(2021, 4, 1))
        val found = here.find("historic fx rates", wait = 20.seconds, explain = true) {
            skill = "rate"
            tag("fx")
            where(Filter.field("attributes.pair") contains "EUR/USD")
            where(Filter.field("attributes.period") covers period)
        }
        assertEquals(listOf("new"), found.map { it.name })
        assertTrue(found.single().about.explain.isNotEmpty())
        assertEquals("rate", found.single().skills.single().id)
        assertTrue(here.find(wait = 20.milliseconds) { skill = "none" }.isEmpty())
        failure(ErrorKind.NOT_FOUND) { here.peer(wait = 20.milliseconds) { skill = "none" } }
        assertEquals("old", here.discover { where(Filter.field("name") eq "old") }.first().name)
        assertEquals(
            "new",
            here.ask(
                Query("fx").apply {
                    where(Filter.field("name") eq "new")
                },
                "?",
            ).text,
        )
    }

    @Test
    fun `watches agents come and go`() = withTwoNodes { there, here ->
        val changes = Channel<Change>(64)
        coroutineScope {
            val watching = launch { here.watch { skill = "rate" }.collect(changes::send) }
            assertTrue(changes.receive() is Change.Snapshot)
            val agent = there.rates("brief", 2001, 2002)
            assertEquals("brief", (changes.receive() as Change.Arrived).agent.name)
            agent.unregister()
            var last = changes.receive()
            while (last !is Change.Departed) last = changes.receive()
            assertEquals("brief", last.name)
            watching.cancel()
        }
    }

    @Test
    fun `lists its own and says how it is doing`() = withNode {
        rates("mine", 2001, 2002)
        assertEquals(listOf("mine"), listAgents(Scope.LOCAL).map { it.name })
        val status = status()
        assertEquals(nodeKey to 1, status.nodeKey to status.agents)
        assertTrue(status.version.isNotEmpty())
        val loaded = loadAgents(listOf(kotlinx.serialization.json.JsonObject(emptyMap())))
        assertEquals(0 to 1, loaded.loaded to loaded.refused.size)
    }

    @Test
    fun `pins a name to an id`() = withNode {
        val agent = rates("pinned", 2001, 2002)
        pins.set("pinned", agent.agentId)
        assertEquals(agent.agentId, pins.all()["pinned"])
        pins.remove("pinned")
        assertTrue("pinned" !in pins.all())
    }

    @Test
    fun `another data folder joins by a ticket`() = withNode {
        agent<String, String>("host") { "from ${caller.kind}" }
        val ticket = invite {
            uses = 1
            local = true
        }
        val elsewhere = Files.createTempDirectory(testHome, "joined")
        assertEquals(meshId, Node.join(ticket, elsewhere))
        hubless({
            home = elsewhere
            mesh = this@withNode.meshId
        }) {
            assertEquals(this@withNode.meshId, meshId)
        }
        val wrong = runCatching { Node.join("no-ticket", elsewhere) }.exceptionOrNull()
        assertTrue(wrong is HublessException, "$wrong")
    }

    @Test
    fun `a stored identity keeps its id and is held once`() = withNode {
        val kept: AgentOptions.() -> Unit = { identity = "keeper" }
        val first = agent<String, String>("keeper", configure = kept) { "1" }
        hubless({ home = testHome }) {
            failure(ErrorKind.CONFLICT) {
                agent<String, String>("keeper", configure = kept) { "2" }
            }
        }
        first.unregister()
        assertEquals(
            first.agentId,
            agent<String, String>("keeper", configure = kept) {
                "3"
            }.agentId,
        )
        assertNotEquals(first.agentId, agent<String, String>("fresh") { "4" }.agentId)
    }

    @Test
    fun `a start that cannot work fails and leaves nothing behind`() = withNode {
        failure(ErrorKind.INVALID_ARGUMENT) { Node.start { port = -1 } }
    }
}
