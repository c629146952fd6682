/** The real guest as a process: started as a runner starts it, watched, and killed. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { toFailure } from '../../src/base/index.ts'
import type { GuestEnvelope, GuestReport, HostQuestion } from '../../src/config/index.ts'
import { configSchema } from '../../src/services/index.ts'
import { guestEntry } from './built.ts'
import { compileCache } from './compile-cache.ts'
import { inTime } from './patience.ts'
import { type TestWorkspace, user } from './workspace.ts'

export interface GuestStart {
  readonly workspace: Pick<TestWorkspace, 'root'>
  /** As in config.toml; defaults are filled in. */
  readonly config?: object
  readonly entry?: string
  /** After `serve`. */
  readonly args?: readonly string[]
  readonly insecure?: boolean
  readonly keys?: Readonly<Record<string, string>>
  /** Folders of the person. */
  readonly folders?: GuestEnvelope['folders']
  readonly plugins?: GuestEnvelope['plugins']
  /** Answers what the guest asks of its runner; absent: nothing is answered. @throws OxbowError a refusal, which the guest is told */
  readonly answer?: (question: HostQuestion) => unknown
}

export interface GuestEnd {
  readonly type: 'gone'
  readonly exitCode: number | null
  readonly signal: string | null
  readonly stderr: string
}

export interface TestGuest extends AsyncDisposable {
  readonly pid: number
  /** The first word that decides: it serves, it gave up, or it went without a word. */
  readonly started: Promise<Extract<GuestReport, { type: 'ready' | 'fatal' }> | GuestEnd>
  readonly gone: Promise<GuestEnd>
  /** As `gone`, for a guest that is expected to go by itself. */
  ended(): Promise<GuestEnd>
  /** SIGKILL. Resolves when the process is gone. */
  kill(): Promise<GuestEnd>
  /** Closes stdin, as a runner does that stops or dies. Resolves when the process is gone. */
  stop(): Promise<GuestEnd>
}

export function startGuest({
  workspace,
  config = {},
  entry = guestEntry,
  args = [],
  insecure = false,
  keys = {},
  folders = [],
  plugins,
  answer,
}: GuestStart): TestGuest {
  const child = spawn(process.execPath, [entry, 'serve', ...args], {
    cwd: workspace.root,
    // The cache as a runner gives it to its guests: halves their start.
    env: { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: compileCache },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (bytes: Buffer) => (stderr = (stderr + bytes.toString()).slice(-keptErrorChars)))
  // A guest that was killed before it has read its envelope.
  child.stdin.on('error', () => {})
  const more = { folders, ...(plugins !== undefined && { plugins }) }
  child.stdin.write(`${JSON.stringify({ ...envelopeFor(workspace.root, config, insecure, keys), ...more })}\n`)
  const gone = new Promise<GuestEnd>((resolve) => {
    child.once('close', (exitCode, signal) => resolve({ type: 'gone', exitCode, signal, stderr }))
  })
  const started = Promise.withResolvers<Awaited<TestGuest['started']>>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const report = JSON.parse(line) as GuestReport
    if (report.type === 'ready' || report.type === 'fatal') started.resolve(report)
    if (report.type !== 'ask') return
    const reply = (parts: object): void => void child.stdin.write(`${JSON.stringify({ type: 'answer', id: report.id, ...parts })}\n`)
    try {
      const output = answer?.(report.question) ?? ofNoFiles[report.question.ask] ?? null
      if (answer !== undefined || output !== null) reply({ output })
    } catch (error) {
      reply({ failure: toFailure(error, 'internal_failure', '') })
    }
  })
  void gone.then(started.resolve)
  const ended = (): Promise<GuestEnd> => inTime(gone, () => `the end of guest ${child.pid}; it says: ${stderr}`)
  const kill = (): Promise<GuestEnd> => (child.kill('SIGKILL'), ended())
  return {
    pid: child.pid ?? 0,
    started: inTime(started.promise, () => `the first word of guest ${child.pid}; it says: ${stderr}`),
    gone,
    ended,
    kill,
    stop: () => (child.stdin.end(), ended()),
    async [Symbol.asyncDispose]() {
      await kill()
    },
  }
}

const keptErrorChars = 8_000

/** What the runner answers of a person without definitions of agents, folders, plugins, skills and commands. */
export const ofNoFiles: Partial<Record<HostQuestion['ask'], unknown>> = {
  definitions: [],
  folders: [],
  guarding: {},
  plugins: [],
  skills: { skills: [], prompts: [] },
}

export function envelopeFor(root: string, config: object, insecure = false, keys: Readonly<Record<string, string>> = {}): GuestEnvelope {
  return { user, workspaceRoot: root, config: configSchema.parse(config), insecure, version: '0.0.0', keys }
}
