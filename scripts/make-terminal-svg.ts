/**
 * Draws screens of a terminal as an SVG, with their colours, for pages that show what Oxbow looks like. Reads them from standard input: one
 * screen, or several, each after a line with a form feed and the seconds for which it is shown, again and again.
 *
 *   tmux capture-pane -e -N -p | node scripts/make-terminal-svg.ts > docs/terminal.svg
 *   sh scripts/record-first-minute.sh | node scripts/make-terminal-svg.ts > docs/first-minute.svg
 */
import { text } from 'node:stream/consumers'

const charWidth = 8.4
const lineHeight = 20
const padding = 16
const plain = '#d6deeb'

/** Of the colours that the full-screen terminal uses on a dark background. */
const colours: Readonly<Record<string, string>> = {
  '91': '#ef7c8e',
  '92': '#8fd694',
  '93': '#ecc48d',
  '94': '#82aaff',
  '95': '#c792ea',
  '96': '#7fdbca',
  '38;5;245': '#8a8f98',
  '48;5;236': '#2a313c',
  '48;5;22': '#143d24',
  '48;5;52': '#4a1a22',
}

interface Style {
  readonly fill: string
  readonly background: string
  readonly isBold: boolean
}

const unstyled: Style = { fill: plain, background: '', isBold: false }

/** The style after a sequence; several of them may stand in one. */
function styleAfter(style: Style, codes: string): Style {
  const each = codes.match(/[34]8;5;\d+|\d+/g) ?? ['0']
  return each.reduce<Style>((now, code) => {
    if (code === '0') return unstyled
    if (code === '1') return { ...now, isBold: true }
    if (code === '22') return { ...now, isBold: false }
    if (code === '39') return { ...now, fill: plain }
    if (code === '49') return { ...now, background: '' }
    const colour = colours[code]
    if (colour === undefined) return now
    return code.startsWith('48') ? { ...now, background: colour } : { ...now, fill: colour }
  }, style)
}

const escaped = (line: string): string => line.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

let style = unstyled

function draw(line: string, row: number): string {
  const boxes: string[] = []
  const spans: string[] = []
  let column = 0
  for (const part of line.split('\u001b[')) {
    const sequence = /^([\d;]*)m/.exec(part)
    const shown = sequence === null ? part : part.slice(sequence[0].length)
    if (sequence !== null) style = styleAfter(style, sequence[1] ?? '')
    if (shown === '') continue
    const length = Array.from(shown).length
    if (style.background !== '') {
      const box = `x="${padding + column * charWidth}" y="${padding + row * lineHeight}" width="${length * charWidth}" height="${lineHeight}"`
      boxes.push(`  <rect ${box} fill="${style.background}"/>`)
    }
    const weight = style.isBold ? ' font-weight="bold"' : ''
    spans.push(`<tspan x="${padding + column * charWidth}" fill="${style.fill}"${weight}>${escaped(shown)}</tspan>`)
    column += length
  }
  return [...boxes, `  <text y="${padding + (row + 0.75) * lineHeight}" xml:space="preserve">${spans.join('')}</text>`].join('\n')
}

interface Screen {
  readonly lines: readonly string[]
  readonly seconds: number
}

function readScreens(input: string): readonly Screen[] {
  if (!input.includes('\f')) return [{ lines: input.trimEnd().split('\n'), seconds: 0 }]
  const parts = input.split(/^\f([\d.]+)\n/m).slice(1)
  return Array.from({ length: parts.length / 2 }, (_, at) => ({
    lines: parts[2 * at + 1]!.trimEnd().split('\n'),
    seconds: Number(parts[2 * at]),
  }))
}

const screens = readScreens(await text(process.stdin))
const total = screens.reduce((sum, { seconds }) => sum + seconds, 0)

/** What does not animate shows the last screen. */
function drawScreen({ lines, seconds }: Screen, at: number): string {
  style = unstyled
  const rows = lines.map(draw).join('\n')
  if (screens.length === 1) return rows
  const begin = screens.slice(0, at).reduce((sum, screen) => sum + screen.seconds, 0) / total
  const end = begin + seconds / total
  const times = [...new Set([0, begin, Math.min(end, 1)])].map((time) => Number(time.toFixed(4)))
  const values = times.map((time) => (time >= Number(begin.toFixed(4)) && time < Number(end.toFixed(4)) ? 'inline' : 'none'))
  const shown = at === screens.length - 1 ? 'inline' : 'none'
  const animate = `<animate attributeName="display" calcMode="discrete" dur="${total}s" repeatCount="indefinite" keyTimes="${times.join(';')}" values="${values.join(';')}"/>`
  return `  <g display="${shown}">${animate}\n${rows}\n  </g>`
}

// oxlint-disable-next-line no-control-regex -- styles
const widths = screens.flatMap(({ lines }) => lines.map((line) => Array.from(line.replace(/\u001b\[[\d;]*m/g, '').trimEnd()).length))
const width = Math.ceil(Math.max(...widths) * charWidth + 2 * padding)
const height = Math.max(...screens.map(({ lines }) => lines.length)) * lineHeight + 2 * padding
process.stdout
  .write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
  <title>Oxbow in a terminal</title>
  <rect width="100%" height="100%" rx="8" fill="#11171f"/>
  <g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14">
${screens.map(drawScreen).join('\n')}
  </g>
</svg>
`)
