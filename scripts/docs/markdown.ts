/** Small pieces of Markdown, for generated pages. */

/** First line of every generated page. */
const generatedNote = '<!-- Made by scripts/generate-docs.ts. Change the source, then run it again. -->'

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

export const code = (text: string): string => `\`${text}\``

export function page(...paragraphs: readonly string[]): string {
  return `${[generatedNote, ...paragraphs].join('\n\n')}\n`
}
