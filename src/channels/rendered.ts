/** Markdown as the parts of a platform. */
import type { OutboundPart } from './port.ts'

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** @param limit UTF-16 units of a part @returns at least one part */
export function partsOf(markdown: string, kind: string, limit: number): readonly OutboundPart[] {
  const parts: OutboundPart[] = []
  const segments = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
  let [plain, text] = ['', '']
  for (const { segment } of segments.segment(markdown)) {
    const shown = kind === 'telegram' ? segment.replace(/[&<>]/g, (sign) => escapes[sign]!) : segment
    if (text.length + shown.length > limit) {
      parts.push({ text, plain })
      ;[plain, text] = ['', '']
    }
    plain += segment
    text += shown
  }
  return [...parts, { text, plain }]
}
