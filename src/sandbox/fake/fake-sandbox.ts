/**
 * A sandbox in memory, for tests of what is above it: the same answers and errors as hands give, without processes. It has
 * no links, no binary files, and runs no commands of its own; a test says what a command answers.
 */
import type { Hands, HandsOps, Sandbox, SandboxStatus } from '../../types/index.ts'
import { fail, fileOperations } from './fake-files.ts'
import type { Operations } from './fake-files.ts'
import { fakeArchives } from './fake-archives.ts'
import { fakeBrowser } from './fake-browser.ts'
import { fakeSessions } from './fake-sessions.ts'
import { fakeSurvey } from './fake-survey.ts'
import { fakeWatches } from './fake-watches.ts'

export interface FakeSandboxOptions {
  /** What a command answers. Absent: every command ends with exit code 127, like one that is not installed. */
  readonly run?: (input: HandsOps['exec']['input'], signal: AbortSignal) => Promise<Partial<HandsOps['exec']['output']>>
}

/** @param files texts by path; the map is the file system: it is read and changed in place */
export function createFakeSandbox(files: Map<string, string> = new Map(), options: FakeSandboxOptions = {}): Sandbox {
  const ops: Operations = {
    ...fileOperations(files),
    ...fakeArchives(),
    ...fakeSurvey(),
    ...fakeBrowser(),
    ...fakeSessions((input, signal) => runFake(input, signal, options)),
    ...fakeWatches(),
    shutdown: () => ({}),
    exec: (input, signal) => runFake(input, signal, options),
    execOutput: () => ({ tail: '' }),
  }
  const hands: Hands = {
    async ask(op, input, { signal, timeoutMs }) {
      if (signal.aborted) throw fail('cancelled', 'Cancelled.')
      const ended = Promise.withResolvers<never>()
      const timer = setTimeout(() => ended.reject(fail('timeout', 'It took longer than its limit.')), timeoutMs)
      const cancel = (): void => ended.reject(fail('cancelled', 'Cancelled.'))
      signal.addEventListener('abort', cancel, { once: true })
      try {
        return await Promise.race([ops[op](input as never, signal), ended.promise])
      } finally {
        clearTimeout(timer)
        signal.removeEventListener('abort', cancel)
      }
    },
  }
  return {
    status: fakeStatus,
    hands: () => Promise.resolve(hands),
    close: () => Promise.resolve(),
  }
}

const fakeStatus: SandboxStatus = {
  asked: 'process',
  tier: 'process',
  provider: 'memory',
  files: true,
  shell: true,
  profiles: ['work', 'vault-read'],
  problem: null,
  limits: [],
  degraded: [],
}

async function runFake(
  input: HandsOps['exec']['input'],
  signal: AbortSignal,
  options: FakeSandboxOptions,
): Promise<HandsOps['exec']['output']> {
  const base = { exitCode: 0, signal: null, timedOut: false, stdout: '', stderr: '', stdoutBytes: 0, stderrBytes: 0, durationMs: 1 }
  if (options.run === undefined) return { ...base, exitCode: 127, stderr: 'command not found' }
  return { ...base, ...(await options.run(input, signal)) }
}
