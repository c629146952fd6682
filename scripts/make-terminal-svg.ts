/**
 * Draws the text of a terminal as an SVG, for pages that show what Oxbow looks like. Reads the text from standard input:
 *
 *   tmux capture-pane -p | node scripts/make-terminal-svg.ts > docs/terminal.svg
 */
import { text } from 'node:stream/consumers'

const charWidth = 8.4
const lineHeight = 20
const padding = 16
const colours = { plain: '#d6deeb', typed: '#ffffff', call: '#7fdbca', question: '#ecc48d', notice: '#8a97a8' }

/** What a line is, by how the chat begins it. */
function colourOf(line: string): string {
  if (line.startsWith('› ')) return colours.typed
  if (/^ {2}· /.test(line)) return colours.call
  if (/^ {2}(?:\? | {2})|^ {2}allow\?/.test(line)) return colours.question
  if (/^(?:Oxbow \d|limits:|notice:|Type a message)/.test(line)) return colours.notice
  return colours.plain
}

const escaped = (line: string): string => line.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const lines = (await text(process.stdin)).trimEnd().split('\n')
const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * charWidth + 2 * padding)
const height = lines.length * lineHeight + 2 * padding
const rows = lines.map((line, row) => {
  const y = padding + (row + 0.75) * lineHeight
  const weight = line.startsWith('› ') ? ' font-weight="bold"' : ''
  return `  <text x="${padding}" y="${y}" fill="${colourOf(line)}"${weight} xml:space="preserve">${escaped(line)}</text>`
})
process.stdout
  .write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
  <title>A chat with Oxbow in a terminal</title>
  <rect width="100%" height="100%" rx="8" fill="#11171f"/>
  <g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14">
${rows.join('\n')}
  </g>
</svg>
`)
