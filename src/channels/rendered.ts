/** Markdown as the parts of a channel, by its kind. */
import type { OutboundPart } from './port.ts'
import { renderMarkdown, type TextDialect } from './text/index.ts'

const dialects: ReadonlyMap<string, TextDialect> = new Map([
  ['telegram', 'telegram'],
  ['slack', 'slack'],
  ['discord', 'discord'],
  ['email', 'mail'],
])

/** @param limit of a part, as the platform counts @returns at least one part */
export function partsOf(markdown: string, kind: string, limit: number): readonly OutboundPart[] {
  return renderMarkdown(markdown, dialects.get(kind) ?? 'plain', limit)
}
