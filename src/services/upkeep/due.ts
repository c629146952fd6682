/** When memory is tidied and sessions get their titles: after turns, in the background. */
import type { Core } from '../../kernel/index.ts'
import type { RecordView } from '../../protocol/index.ts'

/** Time between checks whether memory needs tidying. */
const tidyCheckMs: number = 10 * 60_000

type DueDeps = Pick<Core, 'memory' | 'store' | 'clock' | 'config' | 'sessions' | 'background'>

/** @returns a listener for the ends of turns that tidies memory after a number of hours or new sessions; it costs nothing until the next check is due */
export function createTidyDue({ memory, store, clock, config: all, background }: DueDeps): () => void {
  const config = all.memory.consolidation
  if (memory === undefined || !config.enabled) return () => {}
  let nextCheck = clock.now() + tidyCheckMs
  const check = async (): Promise<void> => {
    const last = await (await memory.tidy()).lastAt()
    const newest = await store.sessions(config.min_sessions)
    const enough = newest.filter(({ createdAt }) => createdAt > last).length >= config.min_sessions
    const longAgo = last > 0 && clock.now() - last >= config.every_h * 60 * 60 * 1_000
    if (enough || longAgo) await background.run('', 'memory.tidy', {})
  }
  return () => {
    if (clock.now() < nextCheck) return
    nextCheck = clock.now() + tidyCheckMs
    void check().catch(() => {})
  }
}

/** @returns a listener for the ends of turns that gives a session its title after its first reply */
export function createTitleDue({ sessions, background, config }: DueDeps): (record: RecordView) => void {
  if (config.memory.titles.model === '') return () => {}
  const check = async ({ session, body }: RecordView): Promise<void> => {
    if (session === '' || (body as { status?: unknown }).status !== 'ok') return
    const { turns } = await sessions.load(session)
    if (turns === 1) await background.run(session, 'session.title', {})
  }
  return (record) => void check(record).catch(() => {})
}
