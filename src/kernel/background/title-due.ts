/** Decides when a session gets its title: after its first reply. */
import type { RecordView } from '../../types/index.ts'
import type { Sessions } from '../sessions.ts'
import type { Background } from './background.ts'

interface TitleDueDeps {
  readonly sessions: Pick<Sessions, 'load'>
  readonly background: Pick<Background, 'run'>
}

/** @returns what is told of the end of each turn */
export function createTitleDue({ sessions, background }: TitleDueDeps): (record: RecordView) => void {
  const look = async ({ session, body }: RecordView): Promise<void> => {
    if (session === '' || (body as { status?: unknown }).status !== 'ok') return
    const { turns } = await sessions.load(session)
    if (turns === 1) await background.run(session, 'session.title', {})
  }
  return (record) => void look(record).catch(() => {})
}
