package dev.hubless.demo

import kotlinx.serialization.Serializable
import java.math.BigDecimal
import java.time.LocalDate
import java.time.format.DateTimeParseException

/** The figures of the report; every measure is an integer number of tenths. */
@Serializable
data class Figures(
    val days: Int,
    val first: String,
    val last: String,
    val years: List<Year>,
    val months: List<Month>,
    val weather: Map<String, Int>,
)

/** One year of the table. */
@Serializable
data class Year(
    val year: Int,
    val days: Int,
    val precipitationTenths: Long,
    val tempMaxSumTenths: Long,
    val tempMinSumTenths: Long,
    val windMaxTenths: Long,
    val hottest: Hottest,
    val wettest: Wettest,
)

/** The first of the days with the highest temperature. */
@Serializable
data class Hottest(val date: String, val tempMaxTenths: Long)

/** The first of the days with the most rain. */
@Serializable
data class Wettest(val date: String, val precipitationTenths: Long)

/** The same month of all years. */
@Serializable
data class Month(
    val month: Int,
    val days: Int,
    val precipitationTenths: Long,
    val tempMaxSumTenths: Long,
    val tempMinSumTenths: Long,
)

private class Day(
    val date: LocalDate,
    val precipitation: Long,
    val tempMax: Long,
    val tempMin: Long,
    val wind: Long,
    val weather: String,
)

private val COLUMNS = listOf("date", "precipitation", "temp_max", "temp_min", "wind", "weather")

/** Computes the figures of a table in exact integers; refuses a table that it cannot read whole. */
internal fun computeFigures(csv: String): Figures {
    val days = readDays(csv).sortedBy { it.date }
    val (first, last) = (days.firstOrNull() ?: throw unusable("the table has no rows")) to
        days.last()
    return Figures(
        days = days.size,
        first = first.date.toString(),
        last = last.date.toString(),
        years = days.groupBy {
            it.date.year
        }.toSortedMap().map { (year, part) -> yearOf(year, part) },
        months = days.groupBy { it.date.monthValue }.toSortedMap().map { (month, part) ->
            Month(
                month = month,
                days = part.size,
                precipitationTenths = part.sumOf { it.precipitation },
                tempMaxSumTenths = part.sumOf { it.tempMax },
                tempMinSumTenths = part.sumOf { it.tempMin },
            )
        },
        weather = days.groupingBy { it.weather }.eachCount().toSortedMap(),
    )
}

private fun yearOf(year: Int, days: List<Day>): Year {
    // The days are in order, and the first of equals is what maxBy gives.
    val hottest = days.maxBy { it.tempMax }
    val wettest = days.maxBy { it.precipitation }
    return Year(
        year = year,
        days = days.size,
        precipitationTenths = days.sumOf { it.precipitation },
        tempMaxSumTenths = days.sumOf { it.tempMax },
        tempMinSumTenths = days.sumOf { it.tempMin },
        windMaxTenths = days.maxOf { it.wind },
        hottest = Hottest(hottest.date.toString(), hottest.tempMax),
        wettest = Wettest(wettest.date.toString(), wettest.precipitation),
    )
}

private fun readDays(csv: String): List<Day> {
    val lines = csv.lineSequence().map { it.trim() }.filter { it.isNotEmpty() }.toList()
    val header = lines.firstOrNull()?.split(',').orEmpty()
    val index = COLUMNS.map { name ->
        header.indexOf(name).takeIf { it >= 0 } ?: throw unusable("the table has no column $name")
    }
    return lines.drop(1).mapIndexed { row, line ->
        val cells = line.split(',')
        if (cells.size != header.size) throw unusable("row ${row + 1} has ${cells.size} cells")
        dayOf(row + 1, index.map { cells[it] })
    }
}

private fun dayOf(row: Int, cells: List<String>): Day {
    val (date, precipitation, tempMax, tempMin, wind) = cells
    return Day(
        date = dateOf(row, date),
        precipitation = tenths(row, precipitation),
        tempMax = tenths(row, tempMax),
        tempMin = tenths(row, tempMin),
        wind = tenths(row, wind),
        weather = cells.last(),
    )
}

private fun dateOf(row: Int, text: String): LocalDate = try {
    LocalDate.parse(text.replace('/', '-'))
} catch (_: DateTimeParseException) {
    throw unusable("row $row has the date \"$text\"")
}

/** A decimal with at most one digit after the point, as tenths; nothing is rounded. */
private fun tenths(row: Int, text: String): Long = try {
    BigDecimal(text).movePointRight(1).longValueExact()
} catch (_: ArithmeticException) {
    throw unusable("row $row: \"$text\" has more than one decimal")
} catch (_: NumberFormatException) {
    throw unusable("row $row: \"$text\" is not a number")
}
