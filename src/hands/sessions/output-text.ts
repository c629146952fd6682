/** Turns bytes of a terminal into text: pages that split no character or sequence, and lines in their final state. */

/** A longer sequence is noise, and is split like any other text. */
const maxSequenceBytes = 256

/**
 * ECMA-48: CSI with parameters; a string (OSC, DCS …) up to its end; everything else. Of a string without an end only the introducer is
 * removed, so that it hides nothing.
 */
// oxlint-disable-next-line no-control-regex -- control characters are the point
const sequence = /\u001B(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001B\u009C]{0,4096}(?:\u0007|\u001B\\|\u009C)|[ -/]*[0-~])/g
// oxlint-disable-next-line no-control-regex -- the same
const otherControls = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g

// oxlint-disable-next-line no-control-regex -- the same
const wholeSequence = /^\u001B(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001B\u009C]*(?:\u0007|\u001B\\|\u009C)|[ -/]*[0-OQ-WYZ\\`-~])/
/** A sequence that may continue in the next bytes. */
// oxlint-disable-next-line no-control-regex -- the same
const openSequence = /^\u001B(?:\[[0-?]*[ -/]*|[\]PX^_][^\u0007\u001B\u009C]*\u001B?|[ -/]*)$/

/** @returns the offset of the first whole character of a page */
export function pageStart(bytes: Buffer): number {
  let at = 0
  while (at < 3 && at < bytes.length && (bytes[at]! & 0xc0) === 0x80) at += 1
  // More than three continuation bytes are not UTF-8, and stay.
  return at < 3 || (bytes[3] ?? 0) >> 6 !== 2 ? at : 0
}

/** @returns the length of a page that ends inside no character and no sequence; the whole length if that would be 0 */
export function pageEnd(bytes: Buffer): number {
  const end = Math.min(wholeCharacters(bytes), wholeSequences(bytes))
  return end === 0 ? bytes.length : end
}

function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back]!
    if (byte >> 6 === 2) continue
    const needs = byte >> 5 === 6 ? 2 : byte >> 4 === 14 ? 3 : byte >> 3 === 30 ? 4 : 1
    return needs > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

function wholeSequences(bytes: Buffer): number {
  // A lone CR would read as a line that is overwritten.
  if (bytes.at(-1) === 0x0d) return bytes.length - 1
  const tail = bytes.subarray(Math.max(0, bytes.length - maxSequenceBytes)).toString('latin1')
  for (let at = tail.indexOf('\u001B'); at >= 0; at = tail.indexOf('\u001B', at)) {
    const rest = tail.slice(at)
    const [whole] = wholeSequence.exec(rest) ?? []
    if (whole === undefined && openSequence.test(rest)) return bytes.length - rest.length
    at += whole?.length ?? 1
  }
  return bytes.length
}

/** The text as a terminal shows it: no sequences, nothing that was erased or overwritten. */
export function toPlainText(text: string): string {
  const bare = text.replace(sequence, '').replaceAll('\u0007', '')
  const typed = bare.includes('\b') ? applyBackspaces(bare) : bare
  const lines = typed.includes('\r') ? typed.split('\n').map(lastWriting).join('\n') : typed
  return lines.replace(otherControls, '\uFFFD')
}

/** Applies backspaces. */
function applyBackspaces(text: string): string {
  const seen: string[] = []
  for (const character of text) {
    if (character !== '\b') seen.push(character)
    else if (seen.length > 0 && seen.at(-1) !== '\n') seen.pop()
  }
  return seen.join('')
}

/** The last version of a line that was rewritten after CR, as progress bars do. */
function lastWriting(line: string): string {
  return line.split('\r').findLast((part) => part !== '') ?? ''
}

// Hands detect that a shell waits for input by an invisible mark in its prompt, the sequence by which terminals find prompts (OSC 133 A),
// with the exit code of the last command. A program that forges it only misreports its own session.

const head = '\u001B]133;A;oxbow='
const tail = '\u0007'
// oxlint-disable-next-line no-control-regex -- it is made of control characters
const wholeMark = /\u001B\]133;A;oxbow=(\d{0,3})\u0007/g
/** A mark with its exit code, except its last byte. */
const maxMarkBytes: number = head.length + '255'.length

/**
 * @param editing bash edits the line, and must know which characters are invisible
 * @param shown the visible prompt; `shownWithin` is the one of a continuation line
 */
export function markedPrompts(editing: boolean, shown: string, shownWithin: string): Readonly<Record<'PS1' | 'PS2', string>> {
  const mark = (code: string): string => (editing ? `\\[${head}${code}${tail}\\]` : `${head}${code}${tail}`)
  return { PS1: `${mark('$?')}${shown}`, PS2: `${mark('')}${shownWithin}` }
}

interface Mark {
  /** Offset of its end in the chunk. */
  readonly end: number
  /** null on a continuation line. */
  readonly exitCode: number | null
}

/** @returns a function that finds the marks in the chunks of one output, also across two chunks */
export function createMarkFinder(): (chunk: Buffer) => Mark[] {
  let before = ''
  return (chunk) => {
    // Bytes are decoded only where a mark begins, so that a flood of output costs little.
    if (before === '' && !chunk.includes(0x1b)) return []
    const text = before + chunk.toString('latin1')
    const found: Mark[] = []
    let done = 0
    for (const { 0: mark, 1: code, index } of text.matchAll(wholeMark)) {
      done = index + mark.length
      found.push({ end: done - before.length, exitCode: code === '' ? null : Math.min(255, Number(code)) })
    }
    const last = text.lastIndexOf('\u001B')
    before = last >= done && text.length - last <= maxMarkBytes ? text.slice(last) : ''
    return found
  }
}
