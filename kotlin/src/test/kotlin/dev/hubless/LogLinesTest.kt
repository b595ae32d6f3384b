package dev.hubless

import dev.hubless.internal.LogLines
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

/** Lines wait in order, within a bound, whatever the logging does. */
class LogLinesTest {
    private val turns = ArrayDeque<Runnable>()
    private val written = ArrayList<String>()
    private val lines = LogLines(2, turns::addLast) { written.add("$it lost") }

    private fun add(text: String) = lines.add { written.add(text) }

    private fun turn() = turns.removeFirst().run()

    @Test
    fun `lines are written in order, by one at a time`() {
        add("one")
        add("two")
        assertEquals(1 to emptyList<String>(), turns.size to written)
        turn()
        assertEquals(listOf("one", "two"), written)
        add("three")
        turn()
        assertEquals(listOf("one", "two", "three"), written)
    }

    @Test
    fun `more than its bound is lost, and said to be`() {
        listOf("one", "two", "three", "four").forEach(::add)
        turn()
        assertEquals(listOf("one", "two", "2 lost"), written)
        add("five")
        turn()
        assertEquals(listOf("one", "two", "2 lost", "five"), written)
    }

    @Test
    fun `what comes while a line is written follows it`() {
        lines.add {
            add("inner")
            written.add("outer")
        }
        turn()
        assertEquals(listOf("outer", "inner") to 0, written to turns.size)
    }

    @Test
    fun `a logging that fails keeps no other line back`() {
        lines.add { error("the disk is full") }
        add("next")
        turn()
        assertEquals(listOf("next"), written)
    }
}
