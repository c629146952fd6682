import { createInterface } from 'node:readline'
import { openLineWriter } from './screen.ts'
import type { MakeScreen } from './screen.ts'

/** A screen without prompts: lines are taken one after the other, each when the one before is done with. */
export const createPlainScreen: MakeScreen = (input, output, events) => {
  const lines = createInterface({ input, terminal: false })
  const { line, exactLine, stream } = openLineWriter(output)
  const read = async (): Promise<void> => {
    for await (const entered of lines) await events.onLine(entered)
    events.onEnd()
  }
  void read()
  return { line, exactLine, stream, prompt: () => {}, close: () => lines.close() }
}
