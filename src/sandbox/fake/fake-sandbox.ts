/**
 * A sandbox in memory, for tests of the modules above it: the same replies and errors as hands, without processes. It has no
 * links, no binary files, and runs no commands; a test supplies their results.
 */
import { hash } from 'node:crypto'
import type {
  ArchiveOps,
  BrowserOps,
  FilesState,
  Hands,
  HandsOps,
  Sandbox,
  SandboxStatus,
  SnapshotOps,
  SurveyOps,
  WatchOps,
} from '../../protocol/index.ts'
import { fail, fileOperations, type Operations } from './fake-files.ts'
import { fakeSessions } from './fake-sessions.ts'

export interface FakeSandboxOptions {
  /** Result of a command. Absent: every command ends with exit code 127, like one that is not installed. */
  readonly run?: (input: HandsOps['exec']['input'], signal: AbortSignal) => Promise<Partial<HandsOps['exec']['output']>>
  /** Whether commands have left something in shared memory. Absent: never. */
  readonly keepsMemory?: () => boolean
}

/** @param files texts by path; the map is the file system: it is read and changed in place */
export function createFakeSandbox(files: Map<string, string> = new Map(), options: FakeSandboxOptions = {}): Sandbox {
  const { fingerprint, assertUnchanged } = fakeFingerprints(files)
  const ops: Operations = {
    ...fileOperations(files),
    ...fakeRefusals(),
    ...fakeSessions((input, signal) => runFake(input, signal, options)),
    ...fakeWatches(),
    ...fakeSurveys(files),
    shutdown: () => ({}),
    exec(input, signal) {
      assertUnchanged(input.unchanged)
      return runFake(input, signal, options)
    },
    execInputs: ({ program, paths }) => ({
      program,
      files: paths.flatMap((path) => (files.has(path) ? [{ path, hash: hash('sha256', files.get(path)!) }] : [])),
    }),
    fingerprint,
    execOutput: () => ({ tail: '' }),
    usage: () => ({ owners: [], keepsMemory: options.keepsMemory?.() ?? false }),
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

/** Operations that need a disk or a browser are refused as in a sandbox without them. */
function fakeRefusals(): Pick<Operations, keyof (ArchiveOps & BrowserOps & SnapshotOps)> {
  const refuse = (what: string) => (): never => {
    throw fail('sandbox_missing', what)
  }
  const browser = refuse('There is no browser in this sandbox.')
  return {
    archive: refuse('A sandbox in memory has no archives.'),
    unpack: refuse('A sandbox in memory has no archives.'),
    snapshot: refuse('A sandbox in memory has no disk.'),
    collect: refuse('A sandbox in memory has no disk.'),
    browserOpen: browser,
    browserAct: browser,
    browserLook: browser,
    browserPicture: browser,
    browserTabs: browser,
    browserDownloads: browser,
  }
}

/** The stamp of a file is the hash of its path and text: writing the same text changes nothing, and no two files are links. */
function fakeSurveys(files: ReadonlyMap<string, string>): Pick<Operations, keyof SurveyOps> {
  const entry = { kind: 'file', executable: false, modifiedMs: 0, target: '' } as const
  return {
    survey: ({ path }) => ({
      entries: [...files].flatMap(([file, text]) => {
        if (!file.startsWith(`${path}/`)) return []
        return [{ ...entry, path: file.slice(path.length + 1), bytes: text.length, stamp: `${hash('sha256', `${file} ${text}`)} 0` }]
      }),
      truncated: false,
    }),
  }
}

function digestOf(files: ReadonlyMap<string, string>, except: readonly string[] = []): string {
  return hash('sha256', JSON.stringify([...files].filter(([path]) => !except.includes(path)).sort(([a], [b]) => (a < b ? -1 : 1))))
}

function fakeFingerprints(files: ReadonlyMap<string, string>) {
  const taken = new Map<string, ReadonlyMap<string, string>>()
  const fingerprint: Operations['fingerprint'] = ({ since, except }) => {
    const digest = digestOf(files, except)
    const before = taken.get(since)
    taken.set(digest, new Map(files))
    const paths = before === undefined ? [] : [...new Set([...before.keys(), ...files.keys()])]
    const changed = paths.filter((path) => before!.get(path) !== files.get(path) && !except.includes(path))
    return { digest, files: files.size, unread: 0, changed, running: 0 }
  }
  const assertUnchanged = (state: FilesState | undefined): void => {
    if (state !== undefined && digestOf(files, state.except) !== state.digest) throw fail('tool_failed', 'A file changed. Nothing was run.')
  }
  return { fingerprint, assertUnchanged }
}

/** In memory nothing changes on its own: a watch reports no changes. */
function fakeWatches(): Pick<Operations, keyof WatchOps> {
  return {
    watch: async ({ waitMs }, signal) => {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs)
        signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
      })
      return { changes: [], overflow: false }
    },
  }
}
