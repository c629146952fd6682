/**
 * What was typed before a question was shown is no answer to it: a model can ask a person to type y, and ask for something else while
 * they do. The terminal holds it until somebody reads; here it is read and thrown away.
 */
import { setTimeout as passed } from 'node:timers/promises'
import { typedAheadMs } from './limits.ts'

/** @param input nobody else reads from it */
export async function dropTypedAhead(input: NodeJS.ReadStream): Promise<void> {
  if (!input.isTTY) return
  const drop = (): void => {}
  // Also of a line that is not entered yet.
  input.setRawMode(true)
  input.on('data', drop).resume()
  try {
    await passed(typedAheadMs)
  } finally {
    input.off('data', drop).pause()
    input.setRawMode(false)
  }
}
