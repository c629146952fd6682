/** A real NATS server with JetStream for tests, in a folder and on a port of its own. It ends with the `await using` block, or with the tests. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import type { ClusterConfig } from '../config/index.ts'
import { configSchema } from '../config/index.ts'

/** Why tests of NATS are skipped here; false where they run. */
export function natsSkip(): string | false {
  try {
    execFileSync('nats-server', ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'no NATS server here: apt-get install nats-server'
  }
}

export interface NatsServer extends AsyncDisposable {
  readonly port: number
  readonly url: string
  /** `[cluster]` of a machine that uses it. */
  readonly config: ClusterConfig
  /** Of the server that runs. */
  readonly process: ChildProcess
  /** Kills it. */
  stop(): Promise<void>
  /** Starts it again at the same address. @param isEmpty without what it had stored */
  start(isEmpty?: boolean): Promise<void>
}

interface NatsChoice {
  readonly port?: number
  /** A file of settings, as `-c` takes it. */
  readonly settings?: string
  readonly scheme?: 'nats' | 'tls'
}

export async function startNats({ port: wanted, settings, scheme = 'nats' }: NatsChoice = {}): Promise<NatsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-nats-'))
  const port = wanted ?? (await freePort())
  const run = (): Promise<ChildProcess> => runServer(port, folder, settings)
  let server = await run()
  const url = `${scheme}://127.0.0.1:${port}`
  const stop = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = new Promise<void>((resolve) => void server.once('exit', () => resolve()))
    server.kill('SIGKILL')
    await ended
  }
  return {
    port,
    url,
    config: configSchema.parse({ cluster: { nats: [url] } }).cluster,
    get process() {
      return server
    },
    stop,
    async start(isEmpty = false) {
      if (isEmpty) rmSync(folder, { recursive: true, force: true })
      server = await run()
    },
    async [Symbol.asyncDispose]() {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function runServer(port: number, folder: string, settings: string | undefined): Promise<ChildProcess> {
  const given = settings === undefined ? [] : ['-c', settings]
  const server = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder, ...given], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  await new Promise<void>((resolve, reject) => {
    server.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes('Server is ready')) resolve()
    })
    server.once('error', reject)
    server.once('exit', () => reject(new Error(`NATS does not start: ${said}`)))
  })
  return server
}

/** Call it once in a test file, outside of every test: servers that a failed test has left end with the file. */
export function useNats(): { server(): Promise<NatsServer> } {
  const started: NatsServer[] = []
  after(() => Promise.all(started.map((server) => server[Symbol.asyncDispose]())))
  return {
    async server() {
      const server = await startNats()
      started.push(server)
      return server
    },
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
