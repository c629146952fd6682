/**
 * Writes into a terminal without ever waiting for it. A stream would: Node writes to this end of a terminal until all is taken,
 * and a program that does not read its input would stop hands altogether.
 */
import { writeSync } from 'node:fs'
import { systemCode } from '../failure.ts'
import { terminalRetryMs } from '../limits.ts'

/** Takes what is written at once, and keeps what the process does not read yet. */
export interface SessionInput {
  write(text: string): void
  waitingBytes(): number
  isOpen(): boolean
  /** Nothing more will come. A terminal has no such end, but a key. */
  end(): void
}

/** @param master a descriptor that does not block. @param isOpen false from the moment on in which it may be closed */
export function createTerminalInput(master: number, isOpen: () => boolean): SessionInput {
  let waiting: Buffer = Buffer.alloc(0)
  let retry: NodeJS.Timeout | null = null
  const send = (): void => {
    retry = null
    if (!isOpen()) waiting = Buffer.alloc(0)
    while (waiting.length > 0) {
      const taken = take(master, waiting)
      waiting = waiting.subarray(taken)
      if (taken > 0) continue
      retry = setTimeout(send, terminalRetryMs)
      return
    }
  }
  return {
    write(text) {
      waiting = Buffer.concat([waiting, Buffer.from(text)])
      if (retry === null) send()
    },
    waitingBytes: () => waiting.length,
    isOpen,
    end: () => undefined,
  }
}

/** @returns how many bytes the terminal took; all of them when nobody will ever read them */
function take(master: number, bytes: Buffer): number {
  try {
    return writeSync(master, bytes)
  } catch (error) {
    return systemCode(error) === 'EAGAIN' ? 0 : bytes.length
  }
}
