package dev.hubless

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.onCompletion
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.ByteArrayOutputStream
import java.util.concurrent.atomic.AtomicInteger

@Serializable
private data class Tick(val n: Int)

class StreamTest {
    private fun bytes(size: Int) = ByteArray(size) { (it * 31 + 7).toByte() }

    private fun pieces(all: ByteArray, piece: Int): Flow<ByteArray> =
        all.indices.step(piece).map { all.copyOfRange(it, minOf(it + piece, all.size)) }.asFlow()

    private suspend fun Binary.collected(): ByteArray {
        val out = ByteArrayOutputStream()
        reader().collect(out::writeBytes)
        return out.toByteArray()
    }

    @Test
    fun `streams typed pieces in order`() = withTwoNodes { there, here ->
        there.streamingAgent<Int, Tick>("ticks") { n -> flow { repeat(n) { emit(Tick(it)) } } }
        val ticks = here.stream<Tick>("ticks", 500).toList()
        assertEquals(List(500) { Tick(it) }, ticks)
    }

    @Test
    fun `streams text as chunks`() = withNode {
        streamingAgent<String, String>("words") { text -> text.split(' ').asFlow() }
        val text = stream<Chunk>("words", "one two three").toList().joinToString("|") { it.text }
        assertEquals("one|two|three", text)
    }

    @Test
    fun `a piece of several parts comes as several pieces`() = withNode {
        val all = bytes(3)
        streamingAgent<String, Content>("parts") {
            flow {
                val source = Part.Stream("a/b", pieces(all, 2))
                val number = Part.Data(JsonPrimitive(2))
                emit(Content.of(Part.Text("one"), number, source, Part.Text("four")))
                emit(Content.of(Part.Text("five"), Part.Text("six")))
            }
        }
        val chunks = stream<Chunk>("parts", "?").toList()
        assertEquals(listOf("one", "", "", "four", "five", "six"), chunks.map { it.text })
        assertEquals(listOf(true, false, false, false, true, false), chunks.map { it.append })
        assertArrayEquals(all, (chunks[2].part as Binary).bytes())
        val whole = request<Content>("parts", "?").parts.filterIsInstance<Part.Text>()
        assertEquals(listOf("one", "fourfive", "six"), whole.map { it.text })
    }

    @Test
    fun `a piece is anything but nothing, and null is a value`() = withNode {
        val odd = listOf(
            null,
            Content(emptyList()),
            Content(listOf(Part.Text("x")), JsonObject(mapOf("of" to JsonPrimitive("all")))),
        )
        agent<Int, Unit>("odd") { n -> emit(odd[n]) }
        assertEquals(JsonNull, stream<Chunk>("odd", 0).toList().single().value)
        for ((n, field) in listOf(1 to "content", 2 to "metadata")) {
            val refused = failure(ErrorKind.INVALID_ARGUMENT) { request<Any>("odd", n) }
            assertEquals(field, refused.field)
        }
    }

    @Test
    fun `an answer without pieces is emitted as one`() = withNode {
        agent<Int, Tick>("one") { Tick(it) }
        assertEquals(listOf(Tick(4)), stream<Tick>("one", 4).toList())
    }

    @Test
    fun `a reader that ends early ends the handler`() = withTwoNodes { there, here ->
        val ended = CompletableDeferred<Throwable?>()
        there.streamingAgent<String, Int>("endless") {
            flow { repeat(Int.MAX_VALUE) { emit(it) } }.onCompletion { ended.complete(it) }
        }
        assertEquals(listOf(0, 1, 2), here.stream<Int>("endless", "?").take(3).toList())
        ended.await()
    }

    @Test
    fun `a slow reader holds the handler back`() = withTwoNodes { there, here ->
        val sent = AtomicInteger()
        there.streamingAgent<String, String>("flood") {
            flow {
                repeat(PIECES) {
                    emit("x".repeat(PIECE_BYTES))
                    sent.incrementAndGet()
                }
            }
        }
        var read = 0
        here.stream<String>("flood", "?").collect { if (read++ == 0) assertHeldBack(sent) }
        // It goes on with its reader.
        assertEquals(PIECES to PIECES, read to sent.get())
    }

    @Test
    fun `a source is read no faster than its reader`() = withTwoNodes { there, here ->
        val (reads, sent) = CompletableDeferred<Unit>() to AtomicInteger()
        there.agent<Content, Int>("reads") {
            reads.await()
            it.binaries.single().collected().size
        }
        val source = flow {
            repeat(PIECES) {
                emit(ByteArray(PIECE_BYTES))
                sent.incrementAndGet()
            }
        }
        coroutineScope {
            val asking = async { here.request<Int>("reads", Part.Stream("video/mp4", source)) }
            assertHeldBack(sent)
            reads.complete(Unit)
            assertEquals(PIECES * PIECE_BYTES, asking.await())
        }
        assertEquals(PIECES, sent.get())
    }

    /** Waits until what is sent stands still, which must be long before the end. */
    private suspend fun assertHeldBack(sent: AtomicInteger) {
        var before = -1
        eventually("the sender stands still") {
            val now = sent.get()
            delay(100)
            (now > 0 && now == before).also { before = now }
        }
        assertTrue(sent.get() < PIECES / 2, "${sent.get()} of $PIECES were sent")
    }

    @Test
    fun `a failure in the middle of a stream reaches the reader after the pieces`() = withNode {
        streamingAgent<String, Int>("half") {
            flow {
                emit(1)
                error("broken half way")
            }
        }
        val seen = ArrayList<Int>()
        failure(ErrorKind.HANDLER_FAILED) { stream<Int>("half", "?").collect(seen::add) }
        assertEquals(listOf(1), seen)
    }

    @Test
    fun `streamed parts travel both ways`() = withTwoNodes { there, here ->
        val all = bytes(3_000_000)
        there.agent<Content, Content>("mirror") { content ->
            val part = content.binaries.single()
            assertTrue(part is Part.Stream)
            Content.of(Part.Stream(part.mediaType, part.reader(), "back.bin"))
        }
        val sent = Part.Stream("video/mp4", pieces(all, 100_000), "there.bin", all.size.toLong())
        val back = here.request<Content>("mirror", sent).binaries.single()
        assertEquals("back.bin", back.filename)
        assertArrayEquals(all, back.collected())
    }

    @Test
    fun `a large blob is gathered and read once`() = withTwoNodes { there, here ->
        val all = bytes(1_048_576)
        there.agent<ByteArray, Content>("same") { Content.of(Part.Blob("image/png", it)) }
        val part = here.request<Content>("same", all).binaries.single()
        assertArrayEquals(all, part.bytes())
        if (part is Part.Stream) failure(ErrorKind.INVALID_ARGUMENT) { part.bytes() }
    }

    @Test
    fun `a source that fails fails the call`() = withNode {
        agent<Content, String>("reads") { it.binaries.single().collected().size.toString() }
        val source = flow {
            emit(bytes(100_000))
            error("the disk is gone")
        }
        val failed = runCatching { request<String>("reads", Part.Stream("video/mp4", source)) }
        assertTrue(failed.exceptionOrNull() is HublessException, failed.toString())
    }

    @Test
    fun `parts that nobody reads are given back`() = withNode {
        agent<String, Content>("make") {
            Content.of(Part.Stream("video/mp4", pieces(bytes(600_000), 100_000)))
        }
        val before = Hubless.handles()
        repeat(5) { request<Content>("make", "?") }
        eventually("unread parts given back, from $before to ${Hubless.handles()}") {
            System.gc()
            Hubless.handles() <= before
        }
    }

    private companion object {
        const val PIECES = 2_000
        const val PIECE_BYTES = 10_000
    }
}
