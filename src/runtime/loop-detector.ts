/** Notices a model that makes the same call with the same arguments and gets the same result, over and over. */
import { maxRepeats } from './limits.ts'

export interface LoopDetector {
  /** @returns `warn` at the last repetition that is let through, `stop` at the one after it. */
  observe(name: string, args: string, result: string): 'fine' | 'warn' | 'stop'
}

export function createLoopDetector(): LoopDetector {
  let last = ''
  let times = 0
  return {
    observe(name, args, result) {
      const key = JSON.stringify([name, args, result])
      times = key === last ? times + 1 : 1
      last = key
      return times < maxRepeats ? 'fine' : times === maxRepeats ? 'warn' : 'stop'
    },
  }
}
