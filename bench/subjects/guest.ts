/** A guest under measurement: started as a runner starts it, in a workspace of its own under the system's temporary folder. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { UserId } from '../../src/base/index.ts'
import type { Config, GuestEnvelope, GuestReport } from '../../src/config/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { guestVariables } from '../../src/runner/begin-guest.ts'
import { readDefinitions } from '../../src/runner/definition-files.ts'
import { readSkills } from '../../src/runner/skill-files.ts'
import { type Child, repositoryPath, startChild } from './child-process.ts'
import { connectGateway, type GatewayClient } from './gateway-client.ts'

export const benchUser = 'bench' as UserId
/** Messages are indexed as usual, and no turn is reminded of them: what recall costs has rows of its own. */
export const withoutRecall: Config['memory'] = parseConfig({ memory: { recall: false } }, 'the bench').memory

export interface Workspace extends Disposable {
  readonly root: string
  readonly database: string
  /** V8's compile cache, as a runner keeps one for each home. */
  readonly compileCache: string
}

export function makeWorkspace(): Workspace {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-bench-'))
  for (const folder of ['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs']) mkdirSync(join(root, folder))
  return {
    root,
    database: join(root, 'internal', 'oxbow.db'),
    compileCache: join(root, 'compile-cache'),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  }
}

export interface BenchGuestOptions {
  /** Arguments of Node: flags, then the program's file. */
  readonly program: readonly string[]
  readonly workspace: Workspace
  readonly modelUrl: string
  readonly config?: { readonly [Part in keyof Config]?: Partial<Config[Part]> }
  /** Watches the event loop; see `LoopDelay`. */
  readonly probe?: boolean
  readonly plugins?: GuestEnvelope['plugins']
  /** Instead of the workspace's own. */
  readonly compileCache?: string
  /** A folder with `programs`, `agents` or `graphs` of the person. */
  readonly definitions?: string
}

interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface RunningGuest extends Child {
  connect(): Promise<GatewayClient>
  /** Milliseconds of event-loop delay since it was asked last. Only with `probe`. */
  loopDelay(): Promise<LoopDelay>
}

export async function startGuest(options: BenchGuestOptions): Promise<RunningGuest> {
  const { workspace } = options
  const probeFile = join(workspace.root, 'loop-delay.json')
  const probe = options.probe === true ? ['--import', repositoryPath('bench/subjects/loop-delay-probe.ts')] : []
  const child = await startChild({
    args: [...probe, ...options.program, 'serve'],
    env: { ...guestVariables, NODE_COMPILE_CACHE: options.compileCache ?? workspace.compileCache, OXBOW_BENCH_PROBE: probeFile },
    input: `${JSON.stringify(envelope(options))}\n`,
    answer: answerAsRunner(options.definitions),
  })
  const report = JSON.parse(child.firstLine) as GuestReport
  if (report.type !== 'ready') throw new Error(`the guest did not start: ${child.firstLine}`)
  const token = readFileSync(join(workspace.root, 'ipc', 'token'), 'utf8')
  return {
    ...child,
    connect: () => connectGateway(report.url, token),
    async loopDelay() {
      rmSync(probeFile, { force: true })
      child.signal('SIGUSR2')
      while (!existsSync(probeFile)) await pause(5)
      return JSON.parse(readFileSync(probeFile, 'utf8')) as LoopDelay
    },
  }
}

/** What a runner answers for a person: a guest that is left without an answer waits five seconds with its first session. */
function answerAsRunner(definitions?: string): (line: string) => string | null {
  const answers: Readonly<Record<string, () => unknown>> = {
    skills: () => readSkills([]),
    definitions: () => readDefinitions(definitions === undefined ? [] : [definitions]),
    folders: () => ({ folders: [], shown: null }),
    plugins: () => [],
    guarding: () => ({}),
  }
  return (line) => {
    const report = JSON.parse(line) as GuestReport
    const answer = report.type === 'ask' ? answers[report.question.ask] : undefined
    return report.type !== 'ask' || answer === undefined ? null : JSON.stringify({ type: 'answer', id: report.id, output: answer() })
  }
}

function envelope({ workspace, modelUrl, config = {}, plugins }: BenchGuestOptions): GuestEnvelope {
  const model = { provider: 'openai', name: 'bench', context_tokens: 128_000, base_url: modelUrl, ...config.model }
  return {
    user: benchUser,
    workspaceRoot: workspace.root,
    config: parseConfig({ ...config, model }, 'the bench'),
    insecure: false,
    version: 'bench',
    keys: { OPENAI_API_KEY: 'bench-key-that-opens-nothing' },
    ...(plugins !== undefined && { plugins }),
  }
}
