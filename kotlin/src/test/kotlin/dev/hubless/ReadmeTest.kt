package dev.hubless

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.file.Path
import kotlin.io.path.readText

class ReadmeTest {
    @Test
    fun `shows the programs that are tested, of at most ten lines`() {
        val readme = Path.of("README.md").readText()
        val shown = Regex("```kotlin\n(.*?)```", RegexOption.DOT_MATCHES_ALL).findAll(readme)
            .map { it.groupValues[1] }.toList()
        val programs = listOf("HelloAgent", "HelloCaller", "Budget").map {
            Path.of("examples/$it.kt").readText()
        }
        assertEquals(programs, shown)
        for (program in programs) {
            assertTrue(program.lines().count(String::isNotBlank) <= 10, program)
        }
    }
}
