import dev.hubless.Filter
import dev.hubless.agent
import dev.hubless.find
import dev.hubless.hubless

suspend fun main() = hubless {
    agent<String, Double>("rate", "Exchange rate of a pair of currencies.", configure = {
        skill { attribute("pair", listOf("EUR/USD")) }
    }) { 1.0862 }
    agent<String, String>("forecast", "Weather of tomorrow in a city.", setOf("outdoors")) { city ->
        "sunny in $city"
    }
    val pair = Filter.field("attributes.pair") contains "EUR/USD"
    println("by words: " + find("exchange rate").joinToString(" ") { it.name })
    println("by tag: " + find { tag("outdoors") }.joinToString(" ") { it.name })
    println("by fact: " + find { where(pair) }.joinToString(" ") { it.name })
}
