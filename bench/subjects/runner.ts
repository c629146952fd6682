/** A guest as a person starts it, by `oxbow serve`: the runner with its guest as a child, in a home of its own. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryPath, startChild } from './child-process.ts'
import { connectGateway, type GatewayClient } from './gateway-client.ts'

export interface RunnerOptions {
  /** Sections of config.toml besides the model. */
  readonly config?: string
  /** Writes the database of the user before the first start. */
  readonly fill?: (database: string) => Promise<void>
}

export interface RunningPair extends AsyncDisposable {
  readonly database: string
  readonly runnerPid: number
  readonly guestPid: number
  connect(): Promise<GatewayClient>
}

/** A home of one user, whose guest asks the scripted model. */
export interface BenchHome extends Disposable {
  readonly path: string
  readonly database: string
  /** Variables of whatever starts in it. */
  readonly env: Readonly<Record<string, string>>
  start(): Promise<RunningPair>
}

export async function makeHome(modelUrl: string, { config = '', fill }: RunnerOptions = {}): Promise<BenchHome> {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-bench-home-'))
  const model = `[model]\nprovider = "openai"\nname = "bench"\ncontext_tokens = 128000\nbase_url = ${JSON.stringify(modelUrl)}\n`
  writeFileSync(join(home, 'config.toml'), `${model}${config}`)
  const user = join(home, 'users', 'bench')
  const database = join(user, 'internal', 'oxbow.db')
  await fill?.(database)
  const env = { OXBOW_HOME: home, OPENAI_API_KEY: 'bench-key-that-opens-nothing' }
  return {
    path: home,
    database,
    env,
    async start() {
      const runner = await startChild({ args: [commandLine(), 'serve', '--user', 'bench'], env })
      const url = runner.firstLine.replace(/^gateway\s+/, '')
      const token = readFileSync(join(user, 'ipc', 'token'), 'utf8')
      return {
        database,
        runnerPid: runner.pid,
        guestPid: firstChildOf(runner.pid),
        connect: () => connectGateway(url, token),
        [Symbol.asyncDispose]: () => runner[Symbol.asyncDispose](),
      }
    },
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  }
}

/** The built command line, or its sources where it was not built. */
export function commandLine(): string {
  const built = repositoryPath('dist/oxbow.js')
  return existsSync(built) ? built : repositoryPath('src/cli/main.ts')
}

export async function startRunner(modelUrl: string, options: RunnerOptions = {}): Promise<RunningPair> {
  const home = await makeHome(modelUrl, options)
  // The first start leaves the compile cache that every other one has.
  await (await home.start())[Symbol.asyncDispose]()
  const pair = await home.start()
  return {
    ...pair,
    async [Symbol.asyncDispose]() {
      await pair[Symbol.asyncDispose]()
      home[Symbol.dispose]()
    },
  }
}

/** @returns NaN where there is no /proc */
function firstChildOf(pid: number): number {
  try {
    return Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'), 10)
  } catch {
    return Number.NaN
  }
}
