/** What writes the log of a guest. Loaded after the start. */
import { join } from 'node:path'
import { inspect } from 'node:util'
import { errorTable, type Log } from '../base/index.ts'
import type { GuestEnvelope } from '../config/index.ts'
import { openLog } from '../logs/index.ts'

/** An isolated guest cannot reach the files: its lines go to standard error as they are, which its runner keeps. */
export async function openGuestLog({ workspaceRoot, isolation }: Pick<GuestEnvelope, 'workspaceRoot' | 'isolation'>): Promise<Log> {
  const folder = isolation === undefined ? join(workspaceRoot, 'logs') : null
  const log = openLog({ folder })
  process.on('uncaughtException', (error) => {
    log.write('guest', 'fatal', 'the guest ends because of an error that nothing expected', { error: inspect(error) })
    log.flushNow()
    process.exit(errorTable.internal_failure.exit)
  })
  return log
}
