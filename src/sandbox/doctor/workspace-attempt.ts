/** Looks at what agents have left in the workspace that would run on the person's side. */
import { ok, weak } from './attempt.ts'
import type { Attempt } from './attempt.ts'
import { startTimeoutMs } from './limits.ts'
import { findSelfRunning } from './self-running.ts'

/** @param shared folder of the workspace that agents write */
export function workspaceAttempt(shared: string): Attempt {
  return {
    name: 'workspace',
    timeoutMs: startTimeoutMs,
    async run() {
      const { found, complete } = await findSelfRunning(shared)
      const rest = complete ? '' : ', and perhaps more'
      if (found.length === 0) return ok(`nothing in it runs by itself when you work there${rest}`)
      return weak(
        `runs by itself when you work there: ${found.join(', ')}${rest}`,
        'Look at these before you use git, a shell or an editor there.',
      )
    },
  }
}
