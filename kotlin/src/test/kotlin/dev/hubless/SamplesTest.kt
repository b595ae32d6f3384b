package dev.hubless

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.extension
import kotlin.io.path.readLines

/** What is public is explained, and what explanations show runs as a test. */
class SamplesTest {
    /** Lines of the public files, by the file. */
    private val sources: Map<Path, List<String>> =
        Files.walk(Path.of("src/main/kotlin/dev/hubless")).use { files ->
            files.filter { it.extension == "kt" && "internal" !in it.map(Path::toString) }
                .toList().associateWith(Path::readLines)
        }

    /** The comment that ends above a line, annotations passed over; empty if there is none. */
    private fun List<String>.commentAbove(line: Int): String {
        var end = line - 1
        while (end >= 0 && ANNOTATION.containsMatchIn(this[end])) end--
        if (end < 0 || !isEndOfComment(end)) return ""
        val start = (end downTo 0).firstOrNull { this[it].trimStart().startsWith("/**") }
        return if (start == null) "" else subList(start, end + 1).joinToString("\n")
    }

    private fun List<String>.isEndOfComment(line: Int) = this[line].trimEnd().endsWith("*/")

    @Test
    fun `every public type has a sample that is a test`() {
        var types = 0
        for ((file, lines) in sources) {
            lines.forEachIndexed { line, text ->
                if (!TYPE.containsMatchIn(text)) return@forEachIndexed
                types++
                val sample = SAMPLE.find(lines.commentAbove(line))
                assertTrue(sample != null, "$file:${line + 1} has no @sample: $text")
                val (owner, function) = checkNotNull(sample).destructured
                val test = Class.forName(owner).methods.single { it.name == function }
                assertTrue(test.isAnnotationPresent(Test::class.java), "$test is no test")
            }
        }
        assertTrue(types > 75, "only $types types were seen")
    }

    @Test
    fun `every public member is explained`() {
        val found = sources.values.map(::members)
        assertTrue(found.sumOf { it.size } > 350, "only ${found.sumOf { it.size }} were seen")
        assertEquals(emptyList<String>(), found.flatMap { it.filterValues { !it }.keys })
        // What has no comment is seen to have none.
        val bare = listOf("/** First. */", "public val first: Int", "public val second: Int")
        assertEquals(listOf(true, false), members(bare).values.toList())
    }

    /** The public members of a file, and whether each is explained. */
    private fun members(lines: List<String>): Map<String, Boolean> = lines.indices
        .filter { MEMBER.containsMatchIn(lines[it]) }
        .associate { line ->
            val property = PROPERTY.find(lines[line])?.groupValues?.get(1)
            val told = property != null && "@property $property " in lines.typeComment(line)
            "${line + 1}: ${lines[line].trim()}" to (told || lines.commentAbove(line).isNotEmpty())
        }

    /** The comment of the type in whose head a line stands. */
    private fun List<String>.typeComment(line: Int): String {
        val head = (line downTo 0).firstOrNull { "class " in this[it] }
        return head?.let { commentAbove(it) }.orEmpty()
    }

    private companion object {
        val TYPE = Regex("^public (\\w+ )*(class|interface|object) ")
        val SAMPLE = Regex("@sample (dev\\.hubless\\.samples\\.\\w+)\\.(\\w+)")
        val ANNOTATION = Regex("^ *(@\\w|AnnotationTarget\\.|\\)$)")
        val MEMBER = Regex("^ *public (?!companion object \\{)")
        val PROPERTY = Regex("^ *public val (\\w+)")
    }
}
