/** A guest as a person starts it, by `oxbow serve`: the runner with its guest as a child, in a home of its own. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, repositoryPath, startChild } from './child-process.ts'
import { connectGateway, type GatewayClient } from './gateway-client.ts'

export interface RunningPair extends AsyncDisposable {
  readonly runnerPid: number
  readonly guestPid: number
  connect(): Promise<GatewayClient>
}

export async function startRunner(modelUrl: string): Promise<RunningPair> {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-bench-home-'))
  writeFileSync(
    join(home, 'config.toml'),
    `[model]\nprovider = "openai"\nname = "bench"\ncontext_tokens = 128000\nbase_url = ${JSON.stringify(modelUrl)}\n`,
  )
  const built = repositoryPath('dist/oxbow.js')
  const program = existsSync(built) ? built : repositoryPath('src/cli/main.ts')
  const env = { OXBOW_HOME: home, OPENAI_API_KEY: 'bench-key-that-opens-nothing' }
  const start = (): Promise<Child> => startChild({ args: [program, 'serve', '--user', 'bench'], env })
  // The first start leaves the compile cache that every other one has.
  await (await start())[Symbol.asyncDispose]()
  const runner = await start()
  const url = runner.firstLine.replace(/^gateway\s+/, '')
  const token = readFileSync(join(home, 'users', 'bench', 'ipc', 'token'), 'utf8')
  return {
    runnerPid: runner.pid,
    guestPid: firstChildOf(runner.pid),
    connect: () => connectGateway(url, token),
    async [Symbol.asyncDispose]() {
      await runner[Symbol.asyncDispose]()
      rmSync(home, { recursive: true, force: true })
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
