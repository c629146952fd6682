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
  readonly process: ChildProcess
}

export async function startNats(): Promise<NatsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-nats-'))
  const port = await freePort()
  const server = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<void>((resolve) => void server.once('exit', () => resolve()))
  let said = ''
  await new Promise<void>((resolve, reject) => {
    server.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes('Server is ready')) resolve()
    })
    server.once('error', reject)
    void ended.then(() => reject(new Error(`NATS does not start: ${said}`)))
  })
  const url = `nats://127.0.0.1:${port}`
  return {
    port,
    url,
    config: configSchema.parse({ cluster: { nats: [url] } }).cluster,
    process: server,
    async [Symbol.asyncDispose]() {
      server.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
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

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
