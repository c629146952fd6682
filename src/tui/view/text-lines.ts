/** Text as lines of a width: wrapping, truncation, and the last check that nothing but our own styles reaches the terminal. */
import { truncateToWidth, visibleWidth, wrapTextWithAnsi } from '@earendil-works/pi-tui'
import { headOf } from '../../base/index.ts'
import { plainText } from '../../terminal/index.ts'
import { maxLineChars } from '../limits.ts'
import type { Style } from './theme.ts'

/** Hostile text, wrapped. Tabs become blanks. */
export function wrapPlain(text: string, width: number): readonly string[] {
  return plainText(text)
    .replaceAll('\t', '    ')
    .split('\n')
    .flatMap((line) => wrapTextWithAnsi(headOf(line, maxLineChars * 8), Math.max(1, width)))
}

/** Hostile text of one line each, truncated rather than wrapped: output of programs, whose columns must stay. */
export function clipPlain(text: string, width: number): readonly string[] {
  return plainText(text)
    .replaceAll('\t', '    ')
    .split('\n')
    .map((line) => clip(headOf(line, maxLineChars), width))
}

/** A styled line, truncated to the width. */
export function clip(line: string, width: number): string {
  return visibleWidth(line) <= width ? line : truncateToWidth(line, Math.max(0, width), '…')
}

/** Left and right on one line; the left is truncated where both do not fit. */
export function spread(left: string, right: string, width: number): string {
  const available = width - visibleWidth(right) - 2
  if (available < 8) return clip(left, width)
  const shown = clip(left, available)
  return `${shown}${' '.repeat(Math.max(0, width - visibleWidth(shown) - visibleWidth(right)))}${right}`
}

/** A line on a background that reaches to the right edge. */
export function filled(line: string, width: number, style: Style): string {
  return style(`${line}${' '.repeat(Math.max(0, width - visibleWidth(line)))}`)
}

// oxlint-disable-next-line no-control-regex -- the sequences that our styles are made of
const ownStyle = /\u001b\[[0-9;]*m/g
// oxlint-disable-next-line no-control-regex -- the same, kept by a split
const stylesApart = /(\u001b\[[0-9;]*m)/
// oxlint-disable-next-line no-control-regex -- what must not be there
const anyControl = /[\u0000-\u001f\u007f-\u009f]/g

/** @returns the line with every control character removed that is not part of a style */
export function onlyStyles(line: string): string {
  let clean = ''
  let from = 0
  for (const { index, 0: style } of line.matchAll(ownStyle)) {
    clean += line.slice(from, index).replace(anyControl, '') + style
    from = index + style.length
  }
  return clean + line.slice(from).replace(anyControl, '')
}

/** @returns the line with each occurrence of the text marked, whatever its case; styles within it go on */
export function marked(line: string, query: string, mark: Style): string {
  // Letter by letter, because one can be longer in lower case.
  const low = (text: string): string => Array.from(text, (char) => char.toLowerCase()).join('')
  const wanted = low(query)
  const plain = low(line.replace(ownStyle, ''))
  const hits: number[] = []
  if (wanted !== '') for (let at = plain.indexOf(wanted); at >= 0; at = plain.indexOf(wanted, at + wanted.length)) hits.push(at)
  if (hits.length === 0) return line
  let [result, run, at] = ['', '', 0]
  const endRun = (): void => {
    result += run === '' ? '' : mark(run)
    run = ''
  }
  for (const part of line.split(stylesApart))
    if (part.startsWith('\u001b')) {
      endRun()
      result += part
    } else
      for (const char of part) {
        const from = at
        at += char.toLowerCase().length
        if (hits.some((hit) => hit < at && from < hit + wanted.length)) run += char
        else {
          endRun()
          result += char
        }
      }
  endRun()
  return result
}
