/** When something is learned: after a turn in which the person stated something. A turn of small talk costs nothing but a look at its words. */
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import type { Core } from '../../kernel/index.ts'
import { loadWorthReading, type Memory } from '../../memory/index.ts'
import { isDerived, type SessionId } from '../../base/index.ts'
import { learnCall, type RecordView, textOf } from '../../protocol/index.ts'

type DueDeps = Pick<Core, 'background' | 'config' | 'conversations'>

/** @returns a listener for the ends of turns */
export function createLearnDue(
  { background, config, conversations }: DueDeps,
  { poke }: Pick<Memory, 'poke'>,
): (record: RecordView) => void {
  let running: Promise<void> | null = null
  let reading: Promise<unknown> = Promise.resolve()
  let isDueAgain = false
  const learn = async (): Promise<void> => {
    do {
      isDueAgain = false
      poke()
      const read = background.run('', learnCall, { ask: false })
      reading = read
      const outcome = await read
      if (outcome?.status === 'ok' && (outcome.output as { waiting: number }).waiting > 0)
        await background.run('', learnCall, { ask: true })
    } while (isDueAgain)
  }
  const due = async (session: SessionId, turn: RecordView['call']): Promise<void> => {
    // The reply goes out first.
    await turnOfLoop()
    const { mayTell } = await loadWorthReading()
    const said = conversations.itemOf(session, turn)?.message
    // One that was forgotten meanwhile, or is not at hand, is read with the next.
    if (said?.role !== 'user' || !mayTell(textOf(said))) return
    isDueAgain = true
    running ??= learn()
      .catch(() => {})
      .finally(() => (running = null))
    await reading
  }
  return ({ session, call }) => {
    const { learn: own, index_messages: isKept } = config.memory
    if (own.enabled && isKept && session !== '' && !isDerived(session))
      // A guest that was started for one message waits for the rules; what a model is to read is left to the next one.
      void background.follow(due(session, call))
  }
}
