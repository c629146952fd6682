/**
 * Profiles a delimited text file, row by row, in memory that depends on the number of columns and not of rows.
 *
 *     profile.mjs FILE [--delimiter CHAR] [--rows N] [--json]
 */
import { createReadStream } from 'node:fs'
import { argv, exit, stderr, stdout } from 'node:process'
import { parseArgs } from 'node:util'

const maxDistinct = 10_000
const maxSeenRows = 200_000
const shownValues = 3

/** Rows of a file as RFC 4180 has them: quotes group, two quotes are one, a line end inside quotes is text. */
async function* rowsOf(file, delimiter) {
  let row = []
  let field = ''
  let quoted = false
  let afterQuote = false
  for await (const chunk of createReadStream(file, 'utf8')) {
    for (const char of chunk) {
      if (quoted) {
        if (afterQuote) {
          afterQuote = false
          if (char === '"') {
            field += char
            continue
          }
          quoted = false
        } else if (char === '"') {
          afterQuote = true
          continue
        } else {
          field += char
          continue
        }
      }
      if (char === '"' && field === '') quoted = true
      else if (char === delimiter) {
        row.push(field)
        field = ''
      } else if (char === '\n') {
        row.push(field.replace(/\r$/, ''))
        yield row
        row = []
        field = ''
      } else field += char
    }
  }
  if (field !== '' || row.length > 0) yield [...row, field]
}

const missing = new Set(['', 'na', 'n/a', 'null', 'none', '-', 'nan'])

const newColumn = (name) => ({
  name,
  filled: 0,
  empty: 0,
  numbers: 0,
  dates: 0,
  sum: 0,
  min: Infinity,
  max: -Infinity,
  first: null,
  last: null,
  counts: new Map(),
})

function take(column, value) {
  if (missing.has(value.trim().toLowerCase())) {
    column.empty += 1
    return
  }
  column.filled += 1
  const number = /^[-+]?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(value.trim()) ? Number(value) : null
  if (number !== null) {
    column.numbers += 1
    column.sum += number
    if (number < column.min) column.min = number
    if (number > column.max) column.max = number
  } else if (/^\d{4}-\d{2}-\d{2}/.test(value.trim())) column.dates += 1
  if (column.first === null || value < column.first) column.first = value
  if (column.last === null || value > column.last) column.last = value
  const count = column.counts.get(value)
  if (count !== undefined || column.counts.size < maxDistinct) column.counts.set(value, (count ?? 0) + 1)
}

function summary(column) {
  const { name, filled, empty, numbers, dates, sum, min, max, first, last, counts } = column
  const type =
    filled === 0
      ? 'empty'
      : numbers === filled
        ? 'number'
        : dates === filled
          ? 'date'
          : numbers > filled * 0.9
            ? 'text, mostly numbers'
            : 'text'
  const frequent = [...counts].filter(([, count]) => count > 1).sort(([, a], [, b]) => b - a)
  return {
    name,
    type,
    filled,
    missing: empty,
    distinct: counts.size < maxDistinct ? counts.size : `${maxDistinct} or more`,
    ...(type === 'number' ? { min, max, mean: Number((sum / numbers).toPrecision(6)) } : { min: first, max: last }),
    frequent: frequent.slice(0, shownValues).map(([value, count]) => ({ value: value.slice(0, 60), count })),
  }
}

function guessDelimiter(line) {
  return [',', ';', '\t', '|'].map((char) => [char, line.split(char).length]).sort(([, a], [, b]) => b - a)[0][0]
}

async function firstLine(file) {
  let text = ''
  for await (const chunk of createReadStream(file, { encoding: 'utf8', end: 65_535 })) text += chunk
  return text.split('\n', 1)[0]
}

async function profile(file, { delimiter, rows: most }) {
  let columns = null
  let rows = 0
  let ragged = 0
  let duplicates = 0
  const seen = new Set()
  for await (const row of rowsOf(file, delimiter)) {
    if (columns === null) {
      columns = row.map((name, at) => newColumn(name.replace(/^\ufeff/, '') || `column ${at + 1}`))
      continue
    }
    if (row.length === 1 && row[0] === '') continue
    if (rows >= most) return { rows, ragged, duplicates, cut: true, columns: columns.map(summary) }
    rows += 1
    if (row.length !== columns.length) ragged += 1
    for (const [at, column] of columns.entries()) take(column, row[at] ?? '')
    const key = row.join('\u001f')
    if (seen.has(key)) duplicates += 1
    else if (seen.size < maxSeenRows) seen.add(key)
  }
  return { rows, ragged, duplicates, cut: false, columns: (columns ?? []).map(summary) }
}

const { values, positionals } = parseArgs({
  args: argv.slice(2),
  allowPositionals: true,
  options: { delimiter: { type: 'string' }, rows: { type: 'string' }, json: { type: 'boolean' } },
})
const [file] = positionals
if (file === undefined) {
  stderr.write('Give the file: profile.mjs FILE [--delimiter CHAR] [--rows N] [--json]\n')
  exit(2)
}
try {
  const delimiter = values.delimiter ?? guessDelimiter(await firstLine(file))
  const found = await profile(file, { delimiter, rows: Number(values.rows ?? Infinity) })
  if (values.json) stdout.write(`${JSON.stringify(found)}\n`)
  else {
    stdout.write(
      `${found.rows} rows${found.cut ? ' (the rest was not read)' : ''}, ${found.columns.length} columns, ${found.duplicates} duplicate rows, ${found.ragged} rows with another number of fields\n`,
    )
    for (const { name, type, filled, missing: empty, distinct, min, max, mean, frequent } of found.columns) {
      const often = frequent.map(({ value, count }) => `${value} (${count})`).join(', ')
      stdout.write(
        `${name}: ${type}; ${filled} filled, ${empty} missing, ${distinct} distinct; ${min} to ${max}${mean === undefined ? '' : `, mean ${mean}`}${often === '' ? '' : `; often: ${often}`}\n`,
      )
    }
  }
} catch (error) {
  stderr.write(`${file} cannot be profiled: ${error.message}\n`)
  exit(1)
}
