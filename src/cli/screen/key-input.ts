/**
 * The keys of a terminal, as the line editor reads them, with pasted texts taken out. The editor would take every line end in a
 * pasted text for Enter: ten pasted lines would be ten messages, and a pasted `y` an answer.
 */
import { EventEmitter } from 'node:events'
import { StringDecoder } from 'node:string_decoder'
import { escapeKeyMs } from '../limits.ts'
import { createPasteSplitter, type Entered } from './paste-splitter.ts'

export interface KeyInput {
  /** What the line editor is given for its input. */
  readonly keys: NodeJS.ReadStream
  /** Lets go of the input. The terminal says itself that it has left raw mode. */
  close(): void
}

/** @param onPaste is told between the keys that came before and those that come after; a text over the limit is null */
export function openKeyInput(input: NodeJS.ReadStream, onPaste: (text: string | null) => void): KeyInput {
  const decoder = new StringDecoder('utf8')
  const splitter = createPasteSplitter()
  // Of a stream the line editor uses these alone. A real one would hand keys on a tick too late, after the paste that follows them.
  const keys = Object.assign(new EventEmitter(), {
    isTTY: true,
    setRawMode: (raw: boolean) => input.setRawMode?.(raw),
    resume: () => input.resume(),
    pause: () => input.pause(),
  }) as unknown as NodeJS.ReadStream
  let timer: NodeJS.Timeout | undefined

  const hand = (found: readonly Entered[]): void => {
    for (const each of found) {
      if (each.kind === 'keys') keys.emit('data', each.text)
      else onPaste(each.kind === 'paste' ? each.text : null)
    }
  }
  const take = (piece: Buffer): void => {
    clearTimeout(timer)
    hand(splitter.take(decoder.write(piece)))
    if (splitter.holds()) timer = setTimeout(() => hand(splitter.release()), escapeKeyMs)
  }
  const end = (): void => void keys.emit('end')
  input.on('data', take)
  input.on('end', end)
  // A terminal that is gone fails to be read.
  input.on('error', end)
  return {
    keys,
    close() {
      clearTimeout(timer)
      input.off('data', take)
      input.off('end', end)
      input.off('error', end)
    },
  }
}
