/**
 * How hands know that a shell waits for input: its prompt carries a mark, the sequence by which terminals know prompts
 * (OSC 133 A), with the exit code of the last command. Nobody sees it. Whatever else writes it tells a lie about itself only.
 */

const head = '\u001B]133;A;oxbow='
const tail = '\u0007'
// oxlint-disable-next-line no-control-regex -- it is made of control characters
const wholeMark = /\u001B\]133;A;oxbow=(\d{0,3})\u0007/g
/** A mark with its exit code, of which the last byte may be missing. */
const maxMarkBytes: number = head.length + '255'.length

/**
 * @param editing bash edits the line, and must know what takes no room in it
 * @param shown what a person sees of the prompt, and of the one within an unfinished command
 */
export function markedPrompts(editing: boolean, shown: string, shownWithin: string): Readonly<Record<'PS1' | 'PS2', string>> {
  const mark = (code: string): string => (editing ? `\\[${head}${code}${tail}\\]` : `${head}${code}${tail}`)
  return { PS1: `${mark('$?')}${shown}`, PS2: `${mark('')}${shownWithin}` }
}

export interface Mark {
  /** Where it ends, counted from the beginning of the chunk. */
  readonly end: number
  /** null within an unfinished command. */
  readonly exitCode: number | null
}

/** @returns a function that finds the marks in the chunks of one output, also those that two chunks share */
export function createMarkFinder(): (chunk: Buffer) => Mark[] {
  let before = ''
  return (chunk) => {
    // A flood has no marks: bytes are only looked at as text where one begins.
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
