/** How far longer work is: one line that is drawn over itself on a terminal, and a line a step elsewhere. */
import type { StoreProgress } from '../../types/index.ts'
import { columnsOf, printNotice, type Terminal } from '../terminal.ts'
import { plainLine } from '../view/terminal-text.ts'

export interface ProgressBar {
  show(progress: StoreProgress): void
  /** Takes the line away again. */
  end(): void
}

const barChars = 24
const nameChars = 32

export function openProgress(terminal: Terminal, quiet: boolean): ProgressBar {
  if (quiet) return { show: () => {}, end: () => {} }
  if (!terminal.errors.isTTY) return plainProgress(terminal)
  let drawn = false
  return {
    show(progress) {
      // Of a line that is wider, only the last row could be drawn over.
      terminal.errors.write(`\r\u001b[K${barText(progress).slice(0, columnsOf(terminal.errors) - 1)}`)
      drawn = true
    },
    end() {
      if (drawn) terminal.errors.write('\r\u001b[K')
    },
  }
}

/** Where lines are kept, e.g. in a log, a step is worth one. */
function plainProgress(terminal: Terminal): ProgressBar {
  let last = ''
  return {
    show({ progress, total }) {
      if (progress === last) return
      last = progress
      printNotice(terminal, `${plainLine(progress, nameChars)}${total === 0 ? '' : ` (${total})`} …`)
    },
    end() {},
  }
}

function barText({ progress, done, total }: StoreProgress): string {
  const name = plainLine(progress, nameChars).padEnd(nameChars)
  if (total === 0) return `${name} …`
  const part = Math.min(1, done / total)
  const full = Math.round(part * barChars)
  return `${name} [${'#'.repeat(full)}${'.'.repeat(barChars - full)}] ${String(Math.floor(part * 100)).padStart(3)} %  ${done} of ${total}`
}
