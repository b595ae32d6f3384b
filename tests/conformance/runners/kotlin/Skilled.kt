package dev.hubless.conformance

import dev.hubless.CallContext
import dev.hubless.Node
import dev.hubless.Skill
import dev.hubless.register
import kotlinx.serialization.Serializable

@Serializable
internal data class Said(val ran: String, val skill: String?)

/** Subjects that are objects with several skills; [count] is told of each that starts. */
internal class Skilled(private val count: (String) -> Unit) {
    suspend fun register(node: Node, prefix: String) {
        node.register(Pair()) { name = "$prefix.pair" }
        node.register(Whole()) { name = "$prefix.whole" }
    }

    private fun said(name: String, ran: String, call: CallContext): Said {
        count(name)
        return Said(ran, call.request.skill)
    }

    inner class Pair {
        @Skill
        fun first(call: CallContext): Said = said("pair", "first", call)

        @Skill
        fun second(call: CallContext): Said = said("pair", "second", call)
    }

    inner class Whole {
        @Skill
        fun handle(call: CallContext): Said = said("whole", "handle", call)

        @Skill
        fun other(call: CallContext): Said = said("whole", "other", call)
    }
}
